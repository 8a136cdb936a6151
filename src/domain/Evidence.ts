import * as Option from "effect/Option"
import type { Timestamp } from "./Timestamp.ts"
import type { ToolUseSource } from "./ToolUse.ts"
import type { TrendPoint } from "./UsageReport.ts"

export interface ToolCount {
  readonly tool_name: string
  readonly calls: number
}

/** Which of the calls in transcripts are recorded, and how they were recorded. */
export interface Coverage {
  /** All calls that have a result. */
  readonly calls: number
  /** Recorded by the hook when they happened. */
  readonly as_they_happened: number
  /** Recorded from a transcript, by an import or a reconciliation. */
  readonly reconciled: number
  readonly missing: number
  /** The tools of the calls that the hook did not record, most first. */
  readonly reconciled_tools: ReadonlyArray<ToolCount>
  readonly missing_tools: ReadonlyArray<ToolCount>
}

const byTool = (toolNames: ReadonlyArray<string>): ReadonlyArray<ToolCount> => {
  const counts = new Map<string, number>()
  for (const name of toolNames) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts]
    .map(([tool_name, calls]) => ({ tool_name, calls }))
    .sort((a, b) => b.calls - a.calls || (a.tool_name < b.tool_name ? -1 : 1))
}

/** A call in a transcript, and the source that recorded it; null if it is not recorded. */
export interface ShownCall {
  readonly toolName: string
  readonly source: ToolUseSource | null
}

/** The coverage of calls, each given once. A call that did not come from a transcript was recorded as it happened. */
export const coverageOf = (calls: ReadonlyArray<ShownCall>): Coverage => {
  const reconciled = calls.filter(({ source }) => source === "transcript").map(({ toolName }) => toolName)
  const missing = calls.filter(({ source }) => source === null).map(({ toolName }) => toolName)
  return {
    calls: calls.length,
    as_they_happened: calls.length - reconciled.length - missing.length,
    reconciled: reconciled.length,
    missing: missing.length,
    reconciled_tools: byTool(reconciled),
    missing_tools: byTool(missing),
  }
}

/** The share of the calls that is recorded, from 0 to 1; null if there are no calls. */
export const recordedShare = ({ calls, missing }: Coverage): number | null =>
  calls === 0 ? null : (calls - missing) / calls

/** If fewer of the calls are recorded, no tool can be called unused. */
export const COVERAGE_NEEDED = 0.95

/** After a longer silence, nobody can tell whether the hook did not run or the person was away. */
const MOST_SILENT_DAYS = 7

/** How many of a window's calls in transcripts are recorded. */
export interface KnownCoverage {
  /** From 0 to 1. */
  readonly share: number
  /** How many calls transcripts show, and when the first one was. */
  readonly calls: number
  readonly from: Timestamp
}

/** Whole days without a call: how many, the first and the last (`YYYY-MM-DD`). */
export interface Silence {
  readonly days: number
  readonly from: string
  readonly until: string
}

export interface Observation {
  /** The first recorded call, in the project or in all. */
  readonly observedFrom: Option.Option<Timestamp>
  /** The last recorded call there. */
  readonly observedUntil: Option.Option<Timestamp>
  /** The first second of the window. */
  readonly windowStart: Timestamp
  /** None if no transcript shows a call in the window. */
  readonly coverage: Option.Option<KnownCoverage>
  /** The calls of each day of the window, in all projects, days without calls included. */
  readonly days: ReadonlyArray<TrendPoint>
}

/** Whether a call that is not recorded can be said not to have happened. */
export type Evidence =
  | { readonly verdict: "enough"; readonly observedFrom: Timestamp; readonly coverage: Option.Option<KnownCoverage> }
  | { readonly verdict: "not enough"; readonly reason: "nothing recorded" }
  | { readonly verdict: "not enough"; readonly reason: "span too short"; readonly observedFrom: Timestamp }
  | { readonly verdict: "not enough"; readonly reason: "nothing in the window"; readonly observedUntil: Timestamp }
  | {
      readonly verdict: "not enough"
      readonly reason: "coverage too low"
      readonly observedFrom: Timestamp
      readonly coverage: KnownCoverage
    }
  | {
      readonly verdict: "not enough"
      readonly reason: "gap in the record"
      readonly observedFrom: Timestamp
      readonly gap: Silence
    }

/** The longest stretch of days without a call; of two equal ones, the first. */
const longestSilence = (days: ReadonlyArray<TrendPoint>): Silence | undefined => {
  let longest: Silence | undefined
  let current: Silence | undefined
  for (const { from: day, usage_count } of days) {
    if (usage_count > 0) current = undefined
    else {
      current = { days: (current?.days ?? 0) + 1, from: current?.from ?? day, until: day }
      if (current.days > (longest?.days ?? 0)) longest = current
    }
  }
  return longest
}

/** A silence of more than a week, or of more than half the window, that no transcript covers. */
const findGap = ({ days, coverage }: Observation): Silence | undefined => {
  const shownFrom = Option.map(coverage, ({ from }) => from)
  const uncovered = days.filter(({ from: day }) => Option.isNone(shownFrom) || day < shownFrom.value.slice(0, 10))
  const silence = longestSilence(uncovered)
  return silence !== undefined && silence.days > Math.min(MOST_SILENT_DAYS, days.length / 2) ? silence : undefined
}

/**
 * Enough means: recording began before the window and went on through it, and enough of the calls in transcripts are
 * recorded. A long silence without transcripts is not enough: perhaps the hook did not run.
 */
export const judgeEvidence = (observation: Observation): Evidence => {
  const { windowStart, coverage } = observation
  if (Option.isNone(observation.observedFrom) || Option.isNone(observation.observedUntil)) {
    return { verdict: "not enough", reason: "nothing recorded" }
  }
  const observedFrom = observation.observedFrom.value
  const observedUntil = observation.observedUntil.value
  if (observedFrom > windowStart) return { verdict: "not enough", reason: "span too short", observedFrom }
  if (Option.isSome(coverage) && coverage.value.share < COVERAGE_NEEDED) {
    return { verdict: "not enough", reason: "coverage too low", observedFrom, coverage: coverage.value }
  }
  if (observedUntil < windowStart) return { verdict: "not enough", reason: "nothing in the window", observedUntil }
  const gap = findGap(observation)
  return gap === undefined
    ? { verdict: "enough", observedFrom, coverage }
    : { verdict: "not enough", reason: "gap in the record", observedFrom, gap }
}
