import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Timestamp from "./Timestamp.ts"
import { cutoff, type TimeWindow } from "./TimeWindow.ts"

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
