import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import * as TimeWindow from "../../src/domain/TimeWindow.ts"

const noon = Date.UTC(2026, 10, 23, 12, 0, 0)

const cutoffOf = (text: string) => Effect.flatMap(TimeWindow.parse(text), TimeWindow.cutoff)

describe("TimeWindow", () => {
  it.effect.each([
    ["7d", "2026-11-16 12:00:00"],
    ["-7 days", "2026-11-16 12:00:00"],
    ["24h", "2026-11-22 12:00:00"],
    ["-24 hours", "2026-11-22 12:00:00"],
    ["1h", "2026-11-23 11:00:00"],
    ["-1 hour", "2026-11-23 11:00:00"],
    ["2w", "2026-11-09 12:00:00"],
    ["-2 weeks", "2026-11-09 12:00:00"],
    ["-30 days", "2026-10-24 12:00:00"],
    ["30d", "2026-10-24 12:00:00"],
    ["today", "2026-11-23 00:00:00"],
    ["2026-11-01", "2026-11-01 00:00:00"],
  ])("%s begins at %s", ([text, expected]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon)
      assert.strictEqual(yield* cutoffOf(text ?? ""), expected)
    }),
  )

  it.effect("moves with the clock, to the second", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon + 999)
      assert.strictEqual(yield* cutoffOf("7d"), "2026-11-16 12:00:00")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* cutoffOf("7d"), "2026-11-16 12:00:01")
    }),
  )

  it.each([
    "yesterday-ish",
    "",
    "7",
    "d",
    "0d",
    "-7d",
    "7 days",
    "+7 days",
    "-7 months",
    "1.5d",
    "9999999w",
    "2026-02-30",
    "2026-11-1",
    "2026-11-01 12:00",
    "'; DROP TABLE tool_usage_events; --",
  ])("refuses %j with what is accepted", (text) => {
    const result = TimeWindow.parse(text)
    assert.isTrue(Either.isLeft(result))
    if (Either.isLeft(result)) {
      assert.include(result.left.message, JSON.stringify(text))
      for (const accepted of ["7d", "24h", "2w", "-7 days", "today", "2026-11-01"])
        assert.include(result.left.message, accepted)
    }
  })

  it("takes no date for an age", () => {
    for (const text of ["today", "2026-11-01"]) assert.isTrue(Either.isLeft(TimeWindow.parseAge(text)))
  })

  it.each([
    ["7d", "in the last 7 days", "the last 7 days", "the previous 7 days"],
    ["1y", "in the last year", "the last year", "the previous year"],
    ["24h", "in the last 24 hours", "the last 24 hours", "the previous 24 hours"],
    ["today", "today", "today", "the same length of time before"],
    ["2026-11-01", "since 2026-11-01", "the time since 2026-11-01", "the same length of time before"],
  ])("%s is said as %s", (text, ...expected) => {
    const window = Either.getOrThrow(TimeWindow.parse(text))
    assert.deepStrictEqual([TimeWindow.during(window), TimeWindow.name(window), TimeWindow.previous(window)], expected)
  })
})
