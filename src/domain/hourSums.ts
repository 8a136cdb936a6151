import { durationBounds } from "./durationBuckets.ts"
import type { Timestamp } from "./Timestamp.ts"
import type { ToolUse } from "./ToolUse.ts"

/** What sets one series of calls apart from another. */
export type CallSeries = Pick<ToolUse, "toolName" | "projectHash" | "agent" | "subagent" | "target" | "serverName">

/** The minute at which an hour is cut. */
export const HOUR_CUT = "30"

/** What the calls of one series in one hour add up to. */
export interface HourSum {
  readonly series: CallSeries
  /** `2026-11-26 13` */
  readonly hour: string
  lastUsed: Timestamp
  uses: number
  usesBeforeCut: number
  /** Interruptions, which are no fault of the tool, are not among them. */
  failures: number
  failuresBeforeCut: number
  interruptions: number
  durationMs: number
  /** How many calls took so long, by the bounds of the buckets; those whose duration is not known are in none. */
  readonly buckets: Array<number>
}

const HOUR_CHARACTERS = 13

const isOf = ({ series, hour }: HourSum, use: ToolUse): boolean =>
  use.usedAt.startsWith(hour) &&
  series.projectHash === use.projectHash &&
  series.agent === use.agent &&
  series.subagent === use.subagent &&
  series.target === use.target &&
  series.serverName === use.serverName

const bucketOf = (durationMs: number): number => {
  const place = durationBounds.findIndex((bound) => durationMs < bound)
  return place < 0 ? durationBounds.length : place
}

/** Adds calls up by series and hour, as the store does. */
export class HourSums {
  readonly #sums = new Map<string, HourSum>()
  readonly #lastOfTool = new Map<string, HourSum>()

  #find({ toolName, projectHash, agent, subagent, target, serverName, usedAt }: ToolUse): HourSum {
    const hour = usedAt.slice(0, HOUR_CHARACTERS)
    const key = JSON.stringify([toolName, projectHash, agent, subagent, target, serverName, hour])
    const known = this.#sums.get(key)
    if (known !== undefined) return known
    const sum: HourSum = {
      series: { toolName, projectHash, agent, subagent, target, serverName },
      hour,
      lastUsed: usedAt,
      uses: 0,
      usesBeforeCut: 0,
      failures: 0,
      failuresBeforeCut: 0,
      interruptions: 0,
      durationMs: 0,
      buckets: Array.from({ length: durationBounds.length + 1 }, () => 0),
    }
    this.#sums.set(key, sum)
    return sum
  }

  add(uses: ReadonlyArray<ToolUse>): void {
    for (const use of uses) {
      // Nearly always a call is of the series and the hour of the one before of its tool.
      const last = this.#lastOfTool.get(use.toolName)
      const sum = last !== undefined && isOf(last, use) ? last : this.#find(use)
      if (sum !== last) this.#lastOfTool.set(use.toolName, sum)
      const isBeforeCut = use.usedAt.slice(HOUR_CHARACTERS + 1, HOUR_CHARACTERS + 3) < HOUR_CUT
      sum.uses++
      if (isBeforeCut) sum.usesBeforeCut++
      if (use.usedAt > sum.lastUsed) sum.lastUsed = use.usedAt
      if (!use.success) {
        if (use.failureKind === "interrupted") sum.interruptions++
        else {
          sum.failures++
          if (isBeforeCut) sum.failuresBeforeCut++
        }
      }
      if (use.durationMs === null) continue
      sum.durationMs += use.durationMs
      const bucket = bucketOf(use.durationMs)
      sum.buckets[bucket] = (sum.buckets[bucket] ?? 0) + 1
    }
  }

  getAll(): ReadonlyArray<HourSum> {
    return [...this.#sums.values()]
  }
}
