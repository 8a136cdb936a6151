import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { COVERAGE_NEEDED, type Evidence, type KnownCoverage } from "../../../domain/Evidence.ts"
import { AllProjects } from "../../../domain/Project.ts"
import type { Timestamp } from "../../../domain/Timestamp.ts"
import { during, lastSevenDays, name, type TimeWindow } from "../../../domain/TimeWindow.ts"
import { counted } from "../../../domain/text.ts"
import { type GatheredEvidence, gatherEvidence } from "../../history/evidence.ts"
import type { Scope, View } from "../answer.ts"
import { paragraph } from "./text.ts"

/** What to try if calls are missing. */
export const STATUS = "`tooltrail status` says whether the hook runs."

/** A share from 0 to 1 with one decimal, rounded down, so that it never looks better than it is: `94.9%`. */
const precisely = (share: number): string => `${Math.floor(share * 1000) / 10}%`

interface Asked {
  readonly window: TimeWindow
  readonly scope: Scope
}

/** What an empty answer rests on. */
export interface Absence extends GatheredEvidence, Asked {}

/** Gathers it for a window without an answer; a question without a window is about the last 7 days. */
export const gatherAbsence = (scope: Scope, window: TimeWindow = lastSevenDays) =>
  Effect.map(gatherEvidence(scope.selection, window), (gathered): Absence => ({ ...gathered, scope, window }))

/** An empty answer: what there is none of, the evidence for that, and what to try next. */
export const renderAbsence = (what: string, hint: string, { evidence, ...asked }: Absence, view: View): string =>
  [what, explainEvidence(evidence, { ...asked, time: view.time })[0], hint]
    .map((text) => paragraph(text, view))
    .join("\n")

const day = (timestamp: Timestamp) => timestamp.slice(0, 10)

const describeCoverage = ({ share, calls, from }: KnownCoverage): string => {
  const found = `${counted(calls, "call")} found in transcripts since ${day(from)}`
  return share === 1 ? `all ${found} are recorded` : `${precisely(share)} of the ${found} are recorded`
}

/** What a verdict rests on, or why there is none, and what to try next. */
export const explainEvidence = (
  evidence: Evidence,
  { window, scope, time }: Asked & { readonly time: (at: Timestamp) => string },
): readonly [what: string, hint: string] => {
  const isEverywhere = scope.selection === AllProjects
  if (evidence.verdict === "enough") {
    const calls = Option.match(evidence.coverage, {
      onNone: () => "there are no transcripts to compare with",
      onSome: describeCoverage,
    })
    return [`Recording since ${day(evidence.observedFrom)}; ${calls}.`, ""]
  }
  const notEnough = "Not enough evidence yet:"
  switch (evidence.reason) {
    case "nothing recorded":
      return [
        `${notEnough} no call is recorded ${scope.whereNone}.`,
        isEverywhere ? STATUS : "Look everywhere with --all-projects.",
      ]
    case "span too short":
      return [
        `${notEnough} the first call ${scope.whereNone} was recorded ${time(evidence.observedFrom)}, too late to cover ${name(window)}.`,
        isEverywhere
          ? "Ask for a shorter time with --since."
          : "Ask for a shorter time with --since, or look everywhere with --all-projects.",
      ]
    case "nothing in the window":
      return [
        `${notEnough} no call was recorded ${during(window)} ${scope.whereNone}; the last one was ${time(evidence.observedUntil)}.`,
        STATUS,
      ]
    case "coverage too low":
      return [
        `${notEnough} only ${precisely(evidence.coverage.share)} of the calls ${during(window)} are recorded; ${precisely(COVERAGE_NEEDED)} is needed.`,
        "`tooltrail reconcile` adds the calls that transcripts hold.",
      ]
    case "gap in the record": {
      const { from, until, days } = evidence.gap
      return [
        `${notEnough} no call was recorded from ${from} to ${until} (${counted(days, "day")}), and no transcript covers that time.`,
        `Ask for a shorter time with --since; ${STATUS}`,
      ]
    }
  }
}
