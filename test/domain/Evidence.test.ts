import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import { type Evidence, judgeEvidence, type KnownCoverage } from "../../src/domain/Evidence.ts"
import type { Timestamp } from "../../src/domain/Timestamp.ts"

const windowStart = "2026-10-24 12:00:00" as Timestamp
const before = "2026-10-24 12:00:00" as Timestamp
const after = "2026-10-24 12:00:01" as Timestamp

const shown = (share: number, from = windowStart): KnownCoverage => ({ share, calls: 10_000, from })

/** The days from 24 October on, with a call on those that are marked. */
const daysOf = (marks: string) =>
  [...marks].map((mark, place) => ({
    from: new Date(Date.UTC(2026, 9, 24 + place)).toISOString().slice(0, 10),
    usage_count: mark === "x" ? 1 : 0,
    failures: 0,
    interruptions: 0,
  }))

const everyDay = daysOf("x".repeat(31))

describe("judgeEvidence", () => {
  it.each<[string, Timestamp | null, KnownCoverage | null, Evidence]>([
    ["nothing recorded", null, shown(1), { verdict: "not enough", reason: "nothing recorded" }],
    [
      "recorded since a second after the window began",
      after,
      shown(1),
      {
        verdict: "not enough",
        reason: "span too short",
        observedFrom: after,
      },
    ],
    [
      "too little coverage",
      before,
      shown(0.9499),
      {
        verdict: "not enough",
        reason: "coverage too low",
        observedFrom: before,
        coverage: shown(0.9499),
      },
    ],
    [
      "too short matters before too little",
      after,
      shown(0),
      {
        verdict: "not enough",
        reason: "span too short",
        observedFrom: after,
      },
    ],
    [
      "just enough",
      before,
      shown(0.95),
      { verdict: "enough", observedFrom: before, coverage: Option.some(shown(0.95)) },
    ],
    [
      "coverage unknown, but calls on every day",
      before,
      null,
      { verdict: "enough", observedFrom: before, coverage: Option.none() },
    ],
  ])("%s", (_, observedFrom, coverage, expected) => {
    deepStrictEqual(
      judgeEvidence({
        observedFrom: Option.fromNullable(observedFrom),
        observedUntil: Option.fromNullable(observedFrom),
        windowStart,
        coverage: Option.fromNullable(coverage),
        days: everyDay,
      }),
      expected,
    )
  })

  it("a long record that ends before the window is not enough", () => {
    const observedUntil = "2026-10-24 11:59:59" as Timestamp
    deepStrictEqual(
      judgeEvidence({
        observedFrom: Option.some("2025-01-01 00:00:00" as Timestamp),
        observedUntil: Option.some(observedUntil),
        windowStart,
        coverage: Option.none(),
        days: [],
      }),
      { verdict: "not enough", reason: "nothing in the window", observedUntil },
    )
  })

  it.each<[string, Timestamp | null, readonly [string, string, number] | null]>([
    ["x.......xxxxxxxxxxxxxxxxxxxxxx", null, null],
    ["x........xxxxxxxxxxxxxxxxxxxxx", null, ["2026-10-25", "2026-11-01", 8]],
    ["x........x.............x......", null, ["2026-11-03", "2026-11-15", 13]],
    [".............................x", null, ["2026-10-24", "2026-11-21", 29]],
    ["x.............................", null, ["2026-10-25", "2026-11-22", 29]],
    // More than half of a short window.
    ["x...xx", null, null],
    ["x....x", null, ["2026-10-25", "2026-10-28", 4]],
    [".x", null, null],
    ["..x", null, ["2026-10-24", "2026-10-25", 2]],
    // From their first call on, transcripts show what there was.
    ["x.............................", "2026-10-24 12:00:00" as Timestamp, null],
    [".......x......................", "2026-10-31 00:00:00" as Timestamp, null],
    ["........x.....................", "2026-11-01 23:59:59" as Timestamp, ["2026-10-24", "2026-10-31", 8]],
  ])("with the days %s, and transcripts from %s on, has the gap %j", (marks, shownFrom, expected) => {
    const evidence = judgeEvidence({
      observedFrom: Option.some(before),
      observedUntil: Option.some("2026-11-23 00:00:00" as Timestamp),
      windowStart,
      coverage: shownFrom === null ? Option.none() : Option.some(shown(1, shownFrom)),
      days: daysOf(marks),
    })
    if (expected === null) assert.strictEqual(evidence.verdict, "enough")
    else {
      const [from, until, days] = expected
      const gap = { from, until, days }
      deepStrictEqual(evidence, {
        verdict: "not enough",
        reason: "gap in the record",
        observedFrom: before,
        gap,
      })
    }
  })
})
