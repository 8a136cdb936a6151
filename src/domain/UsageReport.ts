import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Bin, binStart, type ReportSpan } from "./ReportSpan.ts"
import type { Timestamp } from "./Timestamp.ts"
import { TimestampText } from "./TimestampText.ts"

/** The calls of one value of a dimension in one bin, of the window or of the time before it. All of it can be added up. */
export const SumCell = Schema.Struct({
  key: Schema.NullOr(Schema.String),
  in_window: Schema.Literal(0, 1),
  /** The bin's name: the beginning of the times in it. */
  bin: Schema.String,
  usage_count: Schema.Number,
  failures: Schema.Number,
  interruptions: Schema.Number,
  last_used: TimestampText,
})
export type SumCell = typeof SumCell.Type

/** What cells add up to. */
export interface Sums {
  readonly usage_count: number
  /** Calls that failed by themselves. */
  readonly failures: number
  /** Calls that the user interrupted. */
  readonly interruptions: number
  readonly last_used: Timestamp
  /** Calls in the stretch of the same length before the window; null where that cannot be told. */
  readonly previous_count: number | null
  /** The bins of the window that have calls, in order. */
  readonly trend: ReadonlyArray<Bin>
}

/** Adds the cells up by key. A key without calls in the window has no sums. `hasPrevious`: what came before is recorded. */
export const foldSums = <Key>(
  cells: ReadonlyArray<SumCell>,
  keyOf: (cell: SumCell) => Key,
  hasPrevious: boolean,
): ReadonlyMap<Key, Sums> => {
  const groups = new Map<Key, Array<SumCell>>()
  for (const cell of cells) {
    const group = groups.get(keyOf(cell))
    if (group === undefined) groups.set(keyOf(cell), [cell])
    else group.push(cell)
  }
  const sums = new Map<Key, Sums>()
  for (const [key, group] of groups) {
    const now = group.filter((cell) => cell.in_window === 1)
    const first = now[0]
    if (first === undefined) continue
    const bins = new Map<string, number>()
    for (const { bin, usage_count } of now) bins.set(bin, (bins.get(bin) ?? 0) + usage_count)
    const total = (of: ReadonlyArray<SumCell>, count: "usage_count" | "failures" | "interruptions") =>
      of.reduce((sum, cell) => sum + cell[count], 0)
    sums.set(key, {
      usage_count: total(now, "usage_count"),
      failures: total(now, "failures"),
      interruptions: total(now, "interruptions"),
      last_used: now.reduce((last, cell) => (cell.last_used > last ? cell.last_used : last), first.last_used),
      previous_count: hasPrevious ? total(group, "usage_count") - total(now, "usage_count") : null,
      trend: [...bins]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([bin, usage_count]) => ({ from: binStart(bin), usage_count })),
    })
  }
  return sums
}

/** The calls of a window together. */
export interface ReportTotal extends Sums {
  readonly sessions: number
}

/** How one value of a dimension was used in the window. */
export interface ReportRow extends ReportTotal {
  readonly key: string
  /** Of all calls of the window, from 0 to 1. */
  readonly share: number
  /**
   * Of the calls whose duration is known, by nearest rank: the smallest duration that at least half of them (95 of 100) do
   * not exceed. Null where none is known.
   */
  readonly median_ms: number | null
  readonly p95_ms: number | null
}

/** Most used first, then by key. None where nothing was called in the window. */
export interface UsageReport {
  readonly span: ReportSpan
  readonly total: ReportTotal
  readonly rows: ReadonlyArray<ReportRow>
}

/** How many calls have this value of a dimension. */
export const KeyCount = Schema.Struct({ key: Schema.String, usage_count: Schema.Number })
export type KeyCount = typeof KeyCount.Type

/** Orders counts: most first, then by key, null before any. */
export const mostFirst = (a: NeighbourCount, b: NeighbourCount): number =>
  b.usage_count - a.usage_count || (a.key === null ? -1 : b.key === null ? 1 : a.key < b.key ? -1 : 1)

/** What was called right before, or after; null stands for the session's beginning, or end. */
export interface NeighbourCount {
  readonly key: string | null
  readonly usage_count: number
}

/** Everything about one tool. Lists come most first, then by key. */
export interface ToolReport {
  readonly span: ReportSpan
  readonly row: ReportRow
  /** On how many days of UTC it was called. */
  readonly days: number
  /** Within its sessions. */
  readonly before: ReadonlyArray<NeighbourCount>
  readonly after: ReadonlyArray<NeighbourCount>
  /** By hash. */
  readonly projects: ReadonlyArray<KeyCount>
  readonly subagents: ReadonlyArray<KeyCount>
  readonly targets: ReadonlyArray<KeyCount>
}

/** One tool, called so many times in a row. */
export interface Run {
  readonly key: string
  readonly times: number
}

export const inRuns = (keys: ReadonlyArray<string>): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const key of keys) {
    const last = runs.at(-1)
    if (last?.key === key) runs[runs.length - 1] = { key, times: last.times + 1 }
    else runs.push({ key, times: 1 })
  }
  return runs
}

/** Everything about one session, from its first call to its last. */
export interface SessionReport {
  readonly sessionId: string
  /** The day before which its calls are pruned, and so left out; none where all of them are there. */
  readonly prunedBefore: Option.Option<string>
  readonly span: ReportSpan
  readonly total: ReportTotal
  /** By tool. */
  readonly rows: ReadonlyArray<ReportRow>
  /** By hash. */
  readonly projects: ReadonlyArray<KeyCount>
  readonly subagents: ReadonlyArray<KeyCount>
  /** The tools in the order of use. */
  readonly order: ReadonlyArray<Run>
}
