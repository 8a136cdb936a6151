import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { fromEpochMillis, type Timestamp } from "../../src/domain/Timestamp.ts"
import {
  type Bin,
  type BinUnit,
  between,
  ofDay,
  ofWindow,
  type ReportSpan,
  steps,
} from "../../src/domain/UsageReport.ts"

const at = (text: string) => text as Timestamp
const span = (from: string, until: string, unit: BinUnit): ReportSpan => ({ from: at(from), until: at(until), unit })
const bin = (from: string, usage_count: number): Bin => ({ from: at(from), usage_count })

describe("the span of a report", () => {
  it.effect("is the window up to now, in hours up to two days and in days beyond", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12, 30))
      assert.deepStrictEqual(yield* ofWindow({ amount: 48, unit: "hours" }), {
        from: "2026-11-21 12:30:00",
        until: "2026-11-23 12:30:00",
        previousFrom: "2026-11-19 12:30:00",
        unit: "hour",
      } as never)
      assert.strictEqual((yield* ofWindow({ amount: 2, unit: "days" })).unit, "hour")
      assert.strictEqual((yield* ofWindow({ amount: 49, unit: "hours" })).unit, "day")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* ofWindow({ since: "today" }), {
        from: "2026-11-23 00:00:00",
        until: "2026-11-23 13:30:00",
        previousFrom: "2026-11-22 10:30:00",
        unit: "hour",
      })
      assert.strictEqual((yield* ofWindow({ amount: 1, unit: "weeks" })).previousFrom, "2026-11-09 13:30:00")
    }),
  )

  it("of a session is in minutes up to two hours, in hours up to two days, in days beyond", () => {
    const unit = (until: string) => between(at("2026-11-23 10:00:00"), at(until)).unit
    assert.deepStrictEqual(
      ["2026-11-23 10:00:00", "2026-11-23 12:00:00", "2026-11-23 12:00:01", "2026-11-25 10:00:00"].map(unit),
      ["minute", "minute", "hour", "hour"],
    )
    assert.strictEqual(unit("2026-11-25 10:00:01"), "day")
  })
})

describe("steps", () => {
  it.each<[string, ReadonlyArray<Bin>, ReportSpan, ReadonlyArray<number>]>([
    [
      "a day each, both ends partial",
      [bin("2026-11-16 00:00:00", 1), bin("2026-11-23 00:00:00", 8)],
      span("2026-11-16 12:30:00", "2026-11-23 12:30:00", "day"),
      [1, 0, 0, 0, 0, 0, 0, 8],
    ],
    [
      "several hours each, the last step whole",
      [bin("2026-11-22 12:00:00", 1), bin("2026-11-22 13:00:00", 2), bin("2026-11-23 12:00:00", 3)],
      span("2026-11-22 12:30:00", "2026-11-23 12:30:00", "hour"),
      [1, 2, 0, 0, 0, 0, 3],
    ],
    ["one minute", [bin("2026-11-23 12:30:00", 4)], span("2026-11-23 12:30:01", "2026-11-23 12:30:59", "minute"), [4]],
    ["a day in hours", [bin("2026-11-23 23:00:00", 4)], ofDay("2026-11-23"), [0, 0, 0, 0, 0, 0, 0, 4]],
    [
      "calls of the future in the last step",
      [bin("2026-11-25 00:00:00", 4)],
      span("2026-11-22 12:30:00", "2026-11-23 12:30:00", "day"),
      [0, 4],
    ],
  ])("%s", (_, bins, of, expected) => {
    assert.deepStrictEqual(steps(bins, of, 8), expected)
  })

  it("hold every call once, in at most so many steps", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom<BinUnit>("minute", "hour", "day"),
        (seconds, places, most, unit) => {
          const begin = Date.UTC(2026, 10, 23, 12, 30)
          const end = begin + seconds * 1000
          const length = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[unit]
          const bins = places.map((place) => {
            const time = begin + place * (end - begin)
            return { from: fromEpochMillis(time - (time % length)), usage_count: 1 }
          })
          const counts = steps(bins, { from: fromEpochMillis(begin), until: fromEpochMillis(end), unit }, most)
          assert.isAtMost(counts.length, most)
          assert.strictEqual(
            counts.reduce((sum, count) => sum + count, 0),
            places.length,
          )
        },
      ),
    ))
})
