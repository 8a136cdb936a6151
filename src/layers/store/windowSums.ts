import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import type { Timestamp } from "../../domain/Timestamp.ts"
import { type CallSelection, selectedCalls } from "./callSelection.ts"
import { beforeCut, byDay, byHour, type CutSum, type SeriesColumn } from "./rollupTables.ts"
import { isFailure, makeSumParts, minus, plus, type RowShape, together } from "./sumParts.ts"

const MINUTES_OF_HOUR = 60
const MINUTES_OF_DAY = 24 * MINUTES_OF_HOUR

const twoDigits = (amount: number) => String(amount).padStart(2, "0")

/** The hour that a minute of a day is in. `24` is the end of the day, and sorts behind all that is in it. */
const hourOf = (minute: number) => twoDigits(Math.floor(minute / MINUTES_OF_HOUR))

const nearest = (place: number, places: ReadonlyArray<number>) =>
  places.reduce((best, each) => (Math.abs(each - place) <= Math.abs(best - place) ? each : best))

/** The minutes of a day at which the sum of a day can begin, and the minutes of an hour at which that of an hour can. */
const dayPlaces = [0, ...byDay.cuts.map((hour) => Number(hour) * MINUTES_OF_HOUR), MINUTES_OF_DAY]
const hourPlaces = [0, ...byHour.cuts.map(Number), MINUTES_OF_HOUR]

/**
 * Where sums begin instead of at the first second of a window, in minutes of its day: those of hours nearest to that second,
 * and those of days nearest to where those of hours do.
 */
const beginsOfSums = (from: Timestamp) => {
  const hour = Number(from.slice(11, 13)) * MINUTES_OF_HOUR
  const ofHours = hour + nearest(Number(from.slice(14, 16)) + Number(from.slice(17, 19)) / 60, hourPlaces)
  return { ofHours, ofDays: nearest(ofHours, dayPlaces) }
}

/**
 * The selected calls over the whole of a window: rows with one column of their series, `uses`, `failures` and `last_used`, to
 * be grouped by that column. The sums of such a group are those of its calls, to the digit. What else would be in a row takes
 * time, asked for or not: SQLite leaves out nothing that is grouped.
 *
 * Sums begin at the nearest place where they can. What lies between that and the first second of the window is added where it
 * belongs to the window, and taken away where it does not: such rows have sums below 0. So a group has calls only if its uses
 * are more than 0, and then its newest time is that of one of them.
 *
 * Of a window with pruned calls there are the sums only once all are added up: a question about such a window is refused.
 */
export const windowSums = (
  sql: SqlClient.SqlClient,
  selection: CallSelection,
  column: SeriesColumn,
): Statement.Fragment => {
  const ofCalls: RowShape["ofCalls"] = (_at, sign) => sql`
    ${sql(column)}, ${sign}count(*) AS uses, ${sign}count(*) FILTER (WHERE ${isFailure(sql)}) AS failures,
    max(created_at) AS last_used`
  // The sign keeps SQLite from reading an index only because it has the order of the groups.
  const groupCalls = sql`GROUP BY +${sql(column)}`
  const { from, session } = selection
  if (from === undefined || session !== undefined) {
    return sql`SELECT ${ofCalls(sql`created_at`, plus(sql))} FROM ${selectedCalls(sql, selection)} ${groupCalls}`
  }

  const { sums, calls, notSummed } = makeSumParts(sql, selection, {
    ofCalls,
    // In the order in which an index has the series, so that groups come one after the other.
    groupSums: column === "tool_name" ? sql`GROUP BY tool_name` : sql`GROUP BY series.id`,
    groupCalls,
  })
  const ofSums = (shown: (sum: CutSum) => Statement.Fragment, sign = plus(sql)) => sql`
    ${sql(column)}, ${sign}sum(${shown("uses")}) AS uses, ${sign}sum(${shown("failures")}) AS failures, max(last_used) AS last_used`
  const whole = (sum: CutSum) => sql`${sql(sum)}`
  const before = (cut: string) => (sum: CutSum) => sql`${sql(beforeCut(sum, cut))}`
  const since = (cut: string) => (sum: CutSum) => sql`${sql(sum)} - ${sql(beforeCut(sum, cut))}`

  const day = from.slice(0, 10)
  const { ofHours, ofDays } = beginsOfSums(from)
  const hourAt = (minute: number) => `${day} ${hourOf(minute)}`
  const minuteOfHours = twoDigits(ofHours % MINUTES_OF_HOUR)

  const days = () => {
    if (ofDays === MINUTES_OF_DAY) return sums("day", ofSums(whole), sql`day > ${day}`)
    const rest = since(hourOf(ofDays))
    // To compare each day takes less than to look for the first of each series once more, but for windows of many weeks,
    // which take a sixth longer.
    const shown = (sum: CutSum) => (ofDays === 0 ? whole(sum) : sql`iif(day = ${day}, ${rest(sum)}, ${whole(sum)})`)
    return sums("day", ofSums(shown), sql`day >= ${day}`)
  }

  /** The hours between where their sums begin and where those of days do. That in which they begin may be cut. */
  const hours = () => {
    if (ofHours === ofDays) return []
    const isAdded = ofHours < ofDays
    const part = (isAdded ? since : before)(minuteOfHours)
    const shown = (sum: CutSum) =>
      minuteOfHours === "00" ? whole(sum) : sql`iif(hour = ${hourAt(ofHours)}, ${part(sum)}, ${whole(sum)})`
    const range = isAdded
      ? sql`hour >= ${hourAt(ofHours)} AND hour < ${hourAt(ofDays)}`
      : sql`hour >= ${hourAt(ofDays)} AND hour < ${hourAt(ofHours + MINUTES_OF_HOUR - 1)}`
    return [sums("hour", ofSums(shown, isAdded ? plus(sql) : minus(sql)), sql`day = ${day} AND ${range}`)]
  }

  const callsOfHour = () => {
    const begin = `${hourAt(ofHours)}:${minuteOfHours}:00`
    if (begin === from) return []
    const [sign, first, end] = from < begin ? [plus(sql), from, begin] : [minus(sql), begin, from]
    return [calls(ofCalls(sql`created_at`, sign), first, end)]
  }

  return together(sql, [days(), ...hours(), ...callsOfHour(), ...notSummed])
}
