import * as Option from "effect/Option"
import { COVERAGE_NEEDED, type Evidence } from "../../domain/Evidence.ts"
import type { Timestamp } from "../../domain/Timestamp.ts"

/** A share from 0 to 1 with one decimal, cut, so that it never looks better than it is: `94.9%`. */
const precisely = (share: number): string => `${Math.floor(share * 1000) / 10}%`

/** What a verdict rests on, or why there is none. */
export const explainEvidence = (
  evidence: Evidence,
  {
    period,
    where,
    time,
  }: { readonly period: string; readonly where: string; readonly time: (at: Timestamp) => string },
): readonly [what: string, hint: string] => {
  if (evidence.verdict === "enough") {
    const calls = Option.match(evidence.coverage, {
      onNone: () => "how many of all there were is not known",
      onSome: (coverage) => `${precisely(coverage)} of those of the last ${period}`,
    })
    return [`Calls are recorded since ${time(evidence.observedFrom)}, ${calls}.`, ""]
  }
  const notEnough = "Not enough evidence yet:"
  switch (evidence.reason) {
    case "nothing recorded":
      return [`${notEnough} no call is recorded ${where}.`, "Look everywhere with --all-projects."]
    case "span too short":
      return [
        `${notEnough} the first call ${where} was recorded ${time(evidence.observedFrom)}, less than ${period} ago.`,
        "Look at a shorter time with --since, or everywhere with --all-projects.",
      ]
    case "nothing in the window":
      return [
        `${notEnough} no call of the last ${period} is recorded, the last was ${time(evidence.observedUntil)}.`,
        "`tooltrail status` says whether the hook runs.",
      ]
    case "coverage too low":
      return [
        `${notEnough} ${precisely(evidence.coverage)} of the calls of the last ${period} are recorded, ${precisely(COVERAGE_NEEDED)} are needed.`,
        "`tooltrail reconcile` adds the calls that transcripts hold.",
      ]
  }
}
