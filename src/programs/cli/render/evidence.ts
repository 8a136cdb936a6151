import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { COVERAGE_NEEDED, type Evidence } from "../../../domain/Evidence.ts"
import { AllProjects } from "../../../domain/Project.ts"
import type { Timestamp } from "../../../domain/Timestamp.ts"
import { format, lastSevenDays, type TimeWindow } from "../../../domain/TimeWindow.ts"
import { counted } from "../../../domain/text.ts"
import { type GatheredEvidence, gatherEvidence } from "../../history/evidence.ts"
import type { Scope, View } from "../answer.ts"
import { paragraph } from "./text.ts"

/** What to look at where calls are missed. */
export const STATUS = "`tooltrail status` says whether the hook runs."

/** A share from 0 to 1 with one decimal, cut, so that it never looks better than it is: `94.9%`. */
const precisely = (share: number): string => `${Math.floor(share * 1000) / 10}%`

/** What an empty answer rests on. */
export interface Absence extends GatheredEvidence {
  readonly scope: Scope
  /** The window, for people. */
  readonly period: string
}

/** Gathers it for what is not there in a window; the last 7 days stand for a question that has none. */
export const gatherAbsence = (scope: Scope, window: TimeWindow = lastSevenDays) =>
  Effect.map(
    gatherEvidence(scope.selection, window),
    (gathered): Absence => ({ ...gathered, scope, period: format(window) }),
  )

/** An empty answer: what there is none of, what that rests on, and what to try next. */
export const renderAbsence = (what: string, hint: string, { evidence, period, scope }: Absence, view: View): string =>
  [what, explainEvidence(evidence, { period, scope, time: view.time })[0], hint]
    .map((text) => paragraph(text, view))
    .join("\n")

/** What a verdict rests on, or why there is none. */
export const explainEvidence = (
  evidence: Evidence,
  { period, scope, time }: { readonly period: string; readonly scope: Scope; readonly time: (at: Timestamp) => string },
): readonly [what: string, hint: string] => {
  const where = scope.description
  const isEverywhere = scope.selection === AllProjects
  if (evidence.verdict === "enough") {
    const calls = Option.match(evidence.coverage, {
      onNone: () => "how many of all there were is not known",
      onSome: ({ share, calls, from }) =>
        `${precisely(share)} of the ${counted(calls, "call")} that transcripts show since ${time(from)}`,
    })
    return [`Calls are recorded since ${time(evidence.observedFrom)}, ${calls}.`, ""]
  }
  const notEnough = "Not enough evidence yet:"
  switch (evidence.reason) {
    case "nothing recorded":
      return [
        `${notEnough} no call is recorded ${where}.`,
        isEverywhere ? STATUS : "Look everywhere with --all-projects.",
      ]
    case "span too short":
      return [
        `${notEnough} the first call ${where} was recorded ${time(evidence.observedFrom)}, less than ${period} ago.`,
        isEverywhere
          ? "Look at a shorter time with --since."
          : "Look at a shorter time with --since, or everywhere with --all-projects.",
      ]
    case "nothing in the window":
      return [
        `${notEnough} no call of the last ${period} is recorded ${where}, the last was ${time(evidence.observedUntil)}.`,
        STATUS,
      ]
    case "coverage too low":
      return [
        `${notEnough} ${precisely(evidence.coverage.share)} of the calls of the last ${period} are recorded, ${precisely(COVERAGE_NEEDED)} are needed.`,
        "`tooltrail reconcile` adds the calls that transcripts hold.",
      ]
    case "gap in the record": {
      const { from, until, days } = evidence.gap
      return [
        `${notEnough} no call is recorded from ${from} to ${until}, ${counted(days, "day")}, and no transcript covers that time.`,
        `Look at a shorter time with --since; ${STATUS}`,
      ]
    }
  }
}
