import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import type { BinUnit } from "../../domain/ReportSpan.ts"
import type { Timestamp } from "../../domain/Timestamp.ts"
import { type CallSelection, selectedCalls } from "./callSelection.ts"
import { seriesColumns } from "./rollupTables.ts"
import { isFailure, isInterruption, makeSumParts, minus, plus, type RowShape, together } from "./sumParts.ts"

interface Resolution {
  /** Times, beside the first, at which a sum must be cut. */
  readonly cuts?: ReadonlyArray<Timestamp>
  /** No sum is over more than this. */
  readonly finest?: BinUnit
}

const hourOf = (timestamp: Timestamp) => timestamp.slice(0, 13)
const dayOf = (text: string) => text.slice(0, 10)

const cutsHour = (edge: Timestamp) => !edge.endsWith(":00:00")
const cutsDay = (edge: Timestamp) => !edge.endsWith(" 00:00:00")

/** Sorts after all texts that begin with `prefix` and go on with what is in a time. */
const endOf = (prefix: string) => `${prefix}~`

/** The days from one on that there are sums by hour of, each found by the one before it. */
const daysSince = (sql: SqlClient.SqlClient, first: string) => {
  const next = sql`SELECT min(day) FROM usage_by_hour`
  return sql`
    WITH RECURSIVE days(known) AS (
      ${next} WHERE day >= ${first} UNION ALL SELECT (${next} WHERE day > known) FROM days WHERE known IS NOT NULL)
    SELECT known FROM days WHERE known IS NOT NULL`
}

/**
 * The selected calls as a table: whole days, whole hours, and single calls in the hours that are cut. Each row has the
 * columns of its series, `at` (when its period began, or its call was), `uses`, `failures`, `interruptions` and `last_used`.
 * The sums of the rows are those of the calls, to the digit. The newest calls, which the sums do not hold yet, are single as
 * well. There are single calls only for a session, and, but for pruned days, while old events are still to be added to the sums.
 *
 * Where the first hour loses less than it keeps, it is whole, and what it loses is there with sums below 0. So a group of
 * rows has calls only if its uses are more than 0, and the newest time of such a group is that of one of them.
 */
export const usageSums = (
  sql: SqlClient.SqlClient,
  selection: CallSelection,
  { cuts = [], finest = "day" }: Resolution = {},
): Statement.Fragment => {
  const ofSeries = sql.csv(seriesColumns.map((column) => sql`${sql(column)}`))
  const ofSums = (at: Statement.Fragment) => sql`${ofSeries}, ${at} AS at, uses, failures, interruptions, last_used`
  const ofCalls: RowShape["ofCalls"] = (at, sign) => sql`
    ${ofSeries}, ${at} AS at, ${sign}1 AS uses, ${sign}${isFailure(sql)} AS failures,
    ${sign}${isInterruption(sql)} AS interruptions, created_at AS last_used`
  const call = ofCalls(sql`created_at`, plus(sql))
  const { from, session } = selection
  if (from === undefined || session !== undefined || finest === "minute") {
    return sql`SELECT ${call} FROM ${selectedCalls(sql, selection)}`
  }

  const { sums, isPruned, isOfEveryProject, calls, notSummed } = makeSumParts(sql, selection, {
    ofCalls,
    groupSums: sql``,
    groupCalls: sql``,
  })
  const ofDay = ofSums(sql`day || ' 00:00:00'`)
  const ofHour = ofSums(sql`hour || ':00:00'`)

  const edges = [from, ...cuts.filter((cut) => cut > from)]
  const cutHours = [...new Set(edges.filter(cutsHour).map(hourOf))]
  const cutDays = [...new Set(edges.filter(cutsDay).map(dayOf))]

  /** The whole periods from one on, which may be cut itself. */
  const wholeSince = (period: "day" | "hour", first: string, cut: ReadonlyArray<string>) => {
    const others = cut.filter((each) => each !== first)
    return sql.and([
      others.length < cut.length ? sql`${sql(period)} > ${first}` : sql`${sql(period)} >= ${first}`,
      ...(others.length === 0 ? [] : [sql`NOT ${sql.in(period, others)}`]),
    ])
  }

  const days = sums("day", ofDay, wholeSince("day", dayOf(from), cutDays), { isKnown: isPruned })
  const hoursOfCutDay = (day: string) =>
    sums(
      "hour",
      ofHour,
      sql`day = ${day} AND ${wholeSince("hour", day === dayOf(from) ? hourOf(from) : day, cutHours)}`,
    )

  const hoursSince = wholeSince("hour", hourOf(from), cutHours)
  // Of all series the hours are read as they lie; of some, each by itself on each day.
  const hours = isOfEveryProject
    ? sums("hour", ofHour, sql`day >= ${dayOf(from)} AND ${hoursSince}`, {
        source: sql`usage_by_hour CROSS JOIN usage_series series`,
      })
    : sums("hour", ofHour, sql`day = known AND ${hoursSince}`, {
        source: sql`usage_series series CROSS JOIN (${daysSince(sql, dayOf(from))}) CROSS JOIN usage_by_hour`,
      })

  const restOfFirstHour = calls(call, from, endOf(hourOf(from)))
  const firstHourLessItsBegin = [
    sums("hour", ofSums(sql`${from}`), sql`day = ${dayOf(from)} AND hour = ${hourOf(from)}`),
    calls(ofCalls(sql`${from}`, minus(sql)), hourOf(from), from),
  ]

  const cutHour = (hour: string) => {
    if (hour !== hourOf(from)) return [calls(call, hour, endOf(hour))]
    const isCutAgain = edges.filter((edge) => hourOf(edge) === hour).length > 1
    const losesLess = Number(from.slice(14, 16)) < 30
    return losesLess && !isCutAgain ? firstHourLessItsBegin : [restOfFirstHour]
  }

  return together(sql, [
    ...(finest === "hour" ? [hours] : [days, ...cutDays.map(hoursOfCutDay)]),
    ...cutHours.flatMap(cutHour),
    ...notSummed,
  ])
}
