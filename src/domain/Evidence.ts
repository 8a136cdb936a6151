import * as Option from "effect/Option"
import type { Timestamp } from "./Timestamp.ts"

/** The least share of the calls that must be recorded for what is missing to count as not called. */
export const COVERAGE_NEEDED = 0.95

export interface Observation {
  /** The first call that is recorded. */
  readonly observedFrom: Option.Option<Timestamp>
  /** The last call that is recorded. */
  readonly observedUntil: Option.Option<Timestamp>
  /** The first second of the window that is judged. */
  readonly windowStart: Timestamp
  /** Which share of the calls of the window is recorded, from 0 to 1; none where nobody knows. */
  readonly coverage: Option.Option<number>
}

/** Whether something that is not recorded can be said not to have happened. */
export type Evidence =
  | { readonly verdict: "enough"; readonly observedFrom: Timestamp; readonly coverage: Option.Option<number> }
  | { readonly verdict: "not enough"; readonly reason: "nothing recorded" }
  | { readonly verdict: "not enough"; readonly reason: "span too short"; readonly observedFrom: Timestamp }
  | { readonly verdict: "not enough"; readonly reason: "nothing in the window"; readonly observedUntil: Timestamp }
  | {
      readonly verdict: "not enough"
      readonly reason: "coverage too low"
      readonly observedFrom: Timestamp
      readonly coverage: number
    }

/**
 * Enough: recorded since before the window began, something within it, and of the calls either enough or nobody knows how
 * many. Where no call at all is recorded in the window, a hook that did not run looks like a person who called nothing.
 */
export const judgeEvidence = ({ observedFrom, observedUntil, windowStart, coverage }: Observation): Evidence => {
  if (Option.isNone(observedFrom) || Option.isNone(observedUntil)) {
    return { verdict: "not enough", reason: "nothing recorded" }
  }
  if (observedFrom.value > windowStart) {
    return { verdict: "not enough", reason: "span too short", observedFrom: observedFrom.value }
  }
  if (Option.isSome(coverage) && coverage.value < COVERAGE_NEEDED) {
    return {
      verdict: "not enough",
      reason: "coverage too low",
      observedFrom: observedFrom.value,
      coverage: coverage.value,
    }
  }
  return observedUntil.value < windowStart
    ? { verdict: "not enough", reason: "nothing in the window", observedUntil: observedUntil.value }
    : { verdict: "enough", observedFrom: observedFrom.value, coverage }
}
