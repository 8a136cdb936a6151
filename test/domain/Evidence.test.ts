import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { type Evidence, judgeEvidence } from "../../src/domain/Evidence.ts"
import type { Timestamp } from "../../src/domain/Timestamp.ts"

const windowStart = "2026-10-24 12:00:00" as Timestamp
const before = "2026-10-24 12:00:00" as Timestamp
const after = "2026-10-24 12:00:01" as Timestamp

describe("judgeEvidence", () => {
  it.each<[string, Timestamp | null, number | null, Evidence]>([
    ["nothing recorded", null, 1, { verdict: "not enough", reason: "nothing recorded" }],
    [
      "recorded since a second after the window began",
      after,
      1,
      {
        verdict: "not enough",
        reason: "span too short",
        observedFrom: after,
      },
    ],
    [
      "too little coverage",
      before,
      0.9499,
      {
        verdict: "not enough",
        reason: "coverage too low",
        observedFrom: before,
        coverage: 0.9499,
      },
    ],
    [
      "too short matters before too little",
      after,
      0,
      {
        verdict: "not enough",
        reason: "span too short",
        observedFrom: after,
      },
    ],
    ["just enough", before, 0.95, { verdict: "enough", observedFrom: before, coverage: Option.some(0.95) }],
    ["coverage unknown", before, null, { verdict: "enough", observedFrom: before, coverage: Option.none() }],
  ])("%s", (_, observedFrom, coverage, expected) => {
    assert.deepStrictEqual(
      judgeEvidence({
        observedFrom: Option.fromNullable(observedFrom),
        observedUntil: Option.fromNullable(observedFrom),
        windowStart,
        coverage: Option.fromNullable(coverage),
      }),
      expected,
    )
  })

  it("a long record that ends before the window says nothing about the window", () => {
    const observedUntil = "2026-10-24 11:59:59" as Timestamp
    assert.deepStrictEqual(
      judgeEvidence({
        observedFrom: Option.some("2025-01-01 00:00:00" as Timestamp),
        observedUntil: Option.some(observedUntil),
        windowStart,
        coverage: Option.none(),
      }),
      { verdict: "not enough", reason: "nothing in the window", observedUntil },
    )
  })
})
