import * as Schema from "effect/Schema"
import * as Timestamp from "./Timestamp.ts"

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

/** Every day, week or month between two, both included, with zeros where there are no calls; and what comes later, as from a clock that is ahead. */
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
