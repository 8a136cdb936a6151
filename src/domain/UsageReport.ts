import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Timestamp from "./Timestamp.ts"
import { cutoff, type TimeWindow } from "./TimeWindow.ts"

/** What the calls of a window add up to. */
export interface Sums {
  readonly usage_count: number
  /** Calls that failed by themselves. */
  readonly failures: number
  /** Calls that were stopped: by the user, or with another that failed. */
  readonly interruptions: number
  /** The sizes of inputs and outputs as JSON, as far as they are known. */
  readonly input_bytes: number
  readonly output_bytes: number
  readonly last_used: Timestamp.Timestamp
  /** Calls in the time of the same length before the window; null if that is not known. */
  readonly previous_count: number | null
  /** The bins of the window that have calls, in order. */
  readonly trend: ReadonlyArray<Bin>
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
   * not exceed. Null if none is known.
   */
  readonly median_ms: number | null
  readonly p95_ms: number | null
  /** The two are within 10%: for more than 50,000 calls only the buckets of durations are read. */
  readonly is_approximate: boolean
}

/** Most used first, then by key. None if nothing was called in the window. */
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
  /** Within the sessions that used it last, at most 25. */
  readonly before: ReadonlyArray<NeighbourCount>
  readonly after: ReadonlyArray<NeighbourCount>
  /** By hash. */
  readonly projects: ReadonlyArray<KeyCount>
  readonly subagents: ReadonlyArray<KeyCount>
  readonly targets: ReadonlyArray<KeyCount>
}

/** One tool that was called so many times in a row. */
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
  /** The day before which its calls are pruned, and so left out; none if all of them are there. */
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

const listed = (counts: ReadonlyMap<string | null, number>): ReadonlyArray<NeighbourCount> =>
  [...counts].map(([key, usage_count]) => ({ key, usage_count })).sort(mostFirst)

/** What was called right before and right after the calls in question, which are null in the orders of their sessions. */
export const countNeighbours = (
  tool: string,
  orders: Iterable<ReadonlyArray<string | null>>,
): Pick<ToolReport, "before" | "after"> => {
  const before = new Map<string | null, number>()
  const after = new Map<string | null, number>()
  const add = (counts: Map<string | null, number>, key: string | null) => counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const order of orders) {
    const nameAt = (place: number) => (place in order ? (order[place] ?? tool) : null)
    for (const [place, name] of order.entries()) {
      if (name !== null) continue
      add(before, nameAt(place - 1))
      add(after, nameAt(place + 1))
    }
  }
  return { before: listed(before), after: listed(after) }
}

/** Durations in whole milliseconds, or the middles of buckets, by how many calls took so long. */
export type DurationCounts = ReadonlyMap<number, number>

/** The median and the 95th percentile, both by nearest rank: one of the durations. */
export const durationRanks = (counts: DurationCounts): Pick<ReportRow, "median_ms" | "p95_ms"> => {
  const rising = [...counts].sort(([a], [b]) => a - b)
  const total = rising.reduce((sum, [, calls]) => sum + calls, 0)
  const nearest = (percent: number) => {
    let left = Math.ceil((total * percent) / 100)
    for (const [duration, calls] of rising) {
      left -= calls
      if (left <= 0) return duration
    }
    return null
  }
  return total === 0 ? { median_ms: null, p95_ms: null } : { median_ms: nearest(50), p95_ms: nearest(95) }
}

/** What a report cuts its span into. Bins are whole, in UTC; the span begins within the first and ends within the last. */
export const BinUnit = Schema.Literal("minute", "hour", "day")
export type BinUnit = typeof BinUnit.Type

/** The stretch of time that a report is about. Both ends belong to it. */
export interface ReportSpan {
  readonly from: Timestamp.Timestamp
  readonly until: Timestamp.Timestamp
  readonly unit: BinUnit
}

/** The calls of one bin. */
export interface Bin {
  /** When the bin begins. */
  readonly from: Timestamp.Timestamp
  readonly usage_count: number
}

const MILLIS_PER_HOUR = 3_600_000
const millisIn = { minute: 60_000, hour: MILLIS_PER_HOUR, day: 24 * MILLIS_PER_HOUR } as const

/** How much of a stored time names its bin. */
export const binCharacters: Record<BinUnit, number> = { minute: 16, hour: 13, day: 10 }

/** When the bin of this name begins. */
export const binStart = (name: string): Timestamp.Timestamp =>
  `${name}${"0000-00-00 00:00:00".slice(name.length)}` as Timestamp.Timestamp

const hoursBetween = (from: Timestamp.Timestamp, until: Timestamp.Timestamp): number =>
  (Timestamp.toEpochMillis(until) - Timestamp.toEpochMillis(from)) / MILLIS_PER_HOUR

/**
 * From the window's first second to the present one, in hours up to two days and in days beyond, and the first second of the
 * stretch of the same length before it. A later call, as by a clock that is ahead, is in no window.
 */
export const ofWindow = (
  window: TimeWindow,
): Effect.Effect<ReportSpan & { readonly previousFrom: Timestamp.Timestamp }> =>
  Effect.gen(function* () {
    const until = yield* Timestamp.now
    const from = yield* cutoff(window)
    return {
      from,
      until,
      previousFrom: Timestamp.fromEpochMillis(2 * Timestamp.toEpochMillis(from) - Timestamp.toEpochMillis(until)),
      unit: hoursBetween(from, until) <= 48 ? "hour" : "day",
    }
  })

/** From one call to another: in minutes up to two hours, in hours up to two days, in days beyond. */
export const between = (from: Timestamp.Timestamp, until: Timestamp.Timestamp): ReportSpan => {
  const length = hoursBetween(from, until)
  return { from, until, unit: length <= 2 ? "minute" : length <= 48 ? "hour" : "day" }
}

/** One day of UTC, in hours. */
export const ofDay = (day: string): ReportSpan => ({
  from: binStart(day),
  until: `${day} 23:59:59` as Timestamp.Timestamp,
  unit: "hour",
})

/**
 * The counts over the whole span in at most `most` steps of equal length, bins without calls included. A step is one bin or
 * several; the last step ends with the last bin, and what lies past the span's end belongs to it.
 */
export const steps = (bins: ReadonlyArray<Bin>, span: ReportSpan, most: number): ReadonlyArray<number> => {
  const numberOf = (time: Timestamp.Timestamp) => Math.floor(Timestamp.toEpochMillis(time) / millisIn[span.unit])
  const last = numberOf(span.until)
  const length = last - numberOf(span.from) + 1
  const perStep = Math.ceil(length / most)
  const counts: Array<number> = Array(Math.ceil(length / perStep)).fill(0)
  for (const bin of bins) {
    const place = counts.length - 1 - Math.max(0, Math.floor((last - numberOf(bin.from)) / perStep))
    if (place in counts) counts[place] = (counts[place] ?? 0) + bin.usage_count
  }
  return counts
}

/** What a trend counts together. Weeks begin on Monday; all in UTC. */
export const TrendUnit = Schema.Literal("day", "week", "month")
export type TrendUnit = typeof TrendUnit.Type

/** The calls of one day, week or month. */
export const TrendPoint = Schema.Struct({
  /** Its first day, `YYYY-MM-DD`. */
  from: Schema.String,
  usage_count: Schema.Number,
  /** Calls that failed by themselves; a user's interrupt is none. */
  failures: Schema.Number,
  interruptions: Schema.Number,
})
export type TrendPoint = typeof TrendPoint.Type

const MILLIS_PER_DAY = 86_400_000

const dayText = (millis: number) => Timestamp.fromEpochMillis(millis).slice(0, 10)

/** The first day of the day, week or month that a time lies in. */
export const beginOf = (unit: TrendUnit, timestamp: Timestamp.Timestamp): string => {
  const day = timestamp.slice(0, 10)
  if (unit === "day") return day
  if (unit === "month") return `${day.slice(0, 7)}-01`
  const midnight = Date.parse(`${day}T00:00:00Z`)
  return dayText(midnight - ((new Date(midnight).getUTCDay() + 6) % 7) * MILLIS_PER_DAY)
}

const next = (unit: TrendUnit, day: string): string => {
  const midnight = Date.parse(`${day}T00:00:00Z`)
  if (unit === "day") return dayText(midnight + MILLIS_PER_DAY)
  if (unit === "week") return dayText(midnight + 7 * MILLIS_PER_DAY)
  return `${dayText(midnight + 31 * MILLIS_PER_DAY).slice(0, 7)}-01`
}

/** Every day, week or month between two, both included, with zeros if there are no calls; and what comes later, as from a clock that is ahead. */
export const withGaps = (
  unit: TrendUnit,
  points: ReadonlyArray<TrendPoint>,
  first: string,
  last: string,
): ReadonlyArray<TrendPoint> => {
  const byDay = new Map(points.map((point) => [point.from, point]))
  const all: Array<TrendPoint> = []
  for (let from = first; from <= last; from = next(unit, from)) {
    all.push(byDay.get(from) ?? { from, usage_count: 0, failures: 0, interruptions: 0 })
  }
  return [...all, ...points.filter(({ from }) => from > last)]
}
