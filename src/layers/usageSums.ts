import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import { AllProjects } from "../domain/Project.ts"
import type { BinUnit } from "../domain/ReportSpan.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import { type CallSelection, selected, selectedCalls } from "./callSelection.ts"
import { beforeCut, byDay, byHour, type SeriesColumn, seriesColumns } from "./rollupTables.ts"

interface Resolution {
  /** Times, beside the first, at which a sum must be cut. */
  readonly cuts?: ReadonlyArray<Timestamp>
  /** No sum is over more than this. */
  readonly finest?: BinUnit
}

/**
 * What the rows of sums and those of calls show, and what they are grouped by. `at` is a row's time; `sign` is empty, or a
 * minus for calls that are to be taken away.
 */
interface RowShape {
  readonly ofSums: (at: Statement.Fragment) => Statement.Fragment
  readonly ofCalls: (at: Statement.Fragment, sign: Statement.Fragment) => Statement.Fragment
  /** What a sum holds from one of its cuts on, if that can be shown. */
  readonly ofRest?: (cut: string) => Statement.Fragment
  readonly groupSums: Statement.Fragment
  readonly groupCalls: Statement.Fragment
}

const isFailure = (sql: SqlClient.SqlClient) => sql`(success = 0 AND failure_kind IS NOT 'interrupted')`
const isInterruption = (sql: SqlClient.SqlClient) => sql`(success = 0 AND failure_kind IS 'interrupted')`

const rowsByPeriod = (sql: SqlClient.SqlClient): RowShape => {
  const ofSeries = sql.csv(seriesColumns.map((column) => sql`${sql(column)}`))
  return {
    ofSums: (at) => sql`${ofSeries}, ${at} AS at, uses, failures, interruptions, last_used`,
    ofCalls: (at, sign) => sql`
      ${ofSeries}, ${at} AS at, ${sign}1 AS uses, ${sign}${isFailure(sql)} AS failures,
      ${sign}${isInterruption(sql)} AS interruptions, created_at AS last_used`,
    groupSums: sql``,
    groupCalls: sql``,
  }
}

const rowsOfWindow = (sql: SqlClient.SqlClient, column: SeriesColumn): RowShape => ({
  ofSums: () => sql`${sql(column)}, sum(uses) AS uses, sum(failures) AS failures, max(last_used) AS last_used`,
  ofRest: (cut) => sql`
    ${sql(column)}, sum(uses - ${sql(beforeCut("uses", cut))}) AS uses, sum(failures - ${sql(beforeCut("failures", cut))}) AS failures,
    max(last_used) AS last_used`,
  ofCalls: (_at, sign) => sql`
    ${sql(column)}, ${sign}count(*) AS uses, ${sign}count(*) FILTER (WHERE ${isFailure(sql)}) AS failures,
    max(created_at) AS last_used`,
  groupSums: sql`GROUP BY series.id`,
  // The sign keeps SQLite from reading an index only because it has the order of the groups.
  groupCalls: sql`GROUP BY +${sql(column)}`,
})

const hourOf = (timestamp: Timestamp) => timestamp.slice(0, 13)
const dayOf = (text: string) => text.slice(0, 10)

const cutsHour = (edge: Timestamp) => !edge.endsWith(":00:00")
/** How many minutes of its hour there were before a time. */
const minutesInto = (edge: Timestamp) => Number(edge.slice(14, 16)) + Number(edge.slice(17, 19)) / 60

const nearest = (place: number, places: ReadonlyArray<number>) =>
  places.reduce((best, each) => (Math.abs(each - place) <= Math.abs(best - place) ? each : best))

const cutsDay = (edge: Timestamp) => !edge.endsWith(" 00:00:00")

const twoDigits = (hour: number) => String(hour).padStart(2, "0")
/** The first hour that begins at a time or after it: `24` in the last hour of a day. */
const nextHour = (edge: Timestamp) => twoDigits(Number(edge.slice(11, 13)) + (cutsHour(edge) ? 1 : 0))

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

/** The selected calls in rows of a shape: whole days, whole hours, and single calls in the hours that are cut. */
const selectRows = (
  sql: SqlClient.SqlClient,
  selection: CallSelection,
  { ofSums, ofCalls, ofRest, groupSums, groupCalls }: RowShape,
  { cuts = [], finest = "day" }: Resolution = {},
): Statement.Fragment => {
  const { project, tool, from, session } = selection
  const call = ofCalls(sql`created_at`, sql``)
  if (from === undefined || session !== undefined || finest === "minute") {
    return sql`SELECT ${call} FROM ${selectedCalls(sql, selection)} ${groupCalls}`
  }

  const edges = [from, ...cuts.filter((cut) => cut > from)]
  const cutHours = [...new Set(edges.filter(cutsHour).map(hourOf))]
  const cutDays = [...new Set(edges.filter(cutsDay).map(dayOf))]

  const isFilled = sql`filled_to >= fill_until`
  /** What is known by its sum only, and so is left out of what is told from the calls. */
  const isPruned = sql`day < (SELECT pruned_before FROM rollup_state)`
  const ofSelection = selected(sql, { project, tool })

  const beginOf = (period: "day" | "hour") => sql`${sql(period)} || ${period === "day" ? " 00:00:00" : ":00:00"}`
  const sums = (
    period: "day" | "hour",
    range: Statement.Fragment,
    {
      at = beginOf(period),
      shown = ofSums(at),
      source = sql`usage_series series CROSS JOIN ${sql(`usage_by_${period}`)}`,
      isKnown = sql`0`,
    } = {},
  ) =>
    // Joined, rollup_state would make SQLite sort for the groups: it does not know that there is one row.
    sql`
      SELECT ${shown}
      FROM ${source} ON series_id = series.id AND ${range}
      WHERE ((SELECT ${isFilled} FROM rollup_state) OR ${isKnown}) AND ${ofSelection} ${groupSums}`

  // Over all projects, the index on project and time is used once for each of them.
  const isOfEveryProject = project === AllProjects && tool === undefined
  const ofHour = (share: Statement.Fragment, begin: string, end: string) => sql`
    SELECT ${share} FROM rollup_state
    ${isOfEveryProject ? sql`CROSS JOIN (SELECT DISTINCT project_hash AS known FROM usage_series)` : sql``}
    CROSS JOIN tool_usage_events
    WHERE ${isFilled} AND ${isOfEveryProject ? sql`project_hash IS known` : ofSelection}
      AND created_at >= ${begin} AND created_at < ${end} AND id <= rolled_to ${groupCalls}`
  // The sign keeps SQLite from another index than that of the ids, and from the other of two bounds.
  const recent = sql`
    SELECT ${call} FROM rollup_state CROSS JOIN tool_usage_events
    WHERE ${isFilled} AND id > rolled_to AND +(${selected(sql, selection)}) ${groupCalls}`
  const all = sql`
    SELECT ${call} FROM rollup_state CROSS JOIN tool_usage_events
    WHERE NOT (${isFilled}) AND (+created_at >= coalesce(pruned_before, '') OR id > rolled_to) AND ${selected(sql, selection)} ${groupCalls}`

  /** The whole periods from one on, which may be cut itself. */
  const wholeSince = (period: "day" | "hour", first: string, cut: ReadonlyArray<string>) => {
    const others = cut.filter((each) => each !== first)
    return sql.and([
      others.length < cut.length ? sql`${sql(period)} > ${first}` : sql`${sql(period)} >= ${first}`,
      ...(others.length === 0 ? [] : [sql`NOT ${sql.in(period, others)}`]),
    ])
  }
  const days = sums("day", wholeSince("day", dayOf(from), cutDays), { isKnown: isPruned })
  const hoursSince = wholeSince("hour", hourOf(from), cutHours)
  // Of all series the hours are read as they lie; of some, each by itself on each day.
  const hours = isOfEveryProject
    ? sums("hour", sql`day >= ${dayOf(from)} AND ${hoursSince}`, {
        source: sql`usage_by_hour CROSS JOIN usage_series series`,
      })
    : sums("hour", sql`day = known AND ${hoursSince}`, {
        source: sql`usage_series series CROSS JOIN (${daysSince(sql, dayOf(from))}) CROSS JOIN usage_by_hour`,
      })
  const hoursOfDay = (day: string) => [
    sums("hour", sql`day = ${day} AND ${wholeSince("hour", day === dayOf(from) ? hourOf(from) : day, cutHours)}`),
  ]

  /** The whole hours of the first day, those from one of its cuts on as a part of its sum. */
  const hoursOfFirstDay = (shownFrom: (cut: string) => Statement.Fragment) => {
    const day = dayOf(from)
    const first = nextHour(from)
    const cut = byDay.cuts.find((each) => each >= first)
    if (cut === undefined) return hoursOfDay(day)
    const rest = sums("day", sql`day = ${day}`, { shown: shownFrom(cut) })
    const between = sql`day = ${day} AND hour >= ${`${day} ${first}`} AND hour < ${`${day} ${cut}`}`
    return first === cut ? [rest] : [rest, sums("hour", between)]
  }

  const hoursOfCutDay = (day: string) =>
    day === dayOf(from) && ofRest !== undefined && edges.length === 1 ? hoursOfFirstDay(ofRest) : hoursOfDay(day)

  /**
   * From the nearest place where the sum of the hour can begin. What lies between is there call by call, and taken away where
   * it was before the time.
   */
  const firstHour = (hour: string) => {
    const place = minutesInto(from)
    const begin = nearest(place, [0, ...(ofRest === undefined ? [] : byHour.cuts.map(Number)), 60])
    const beginsAt = `${hour}:${twoDigits(begin)}:00`
    const shown = begin === 0 || ofRest === undefined ? ofSums(sql`${from}`) : ofRest(twoDigits(begin))
    return [
      ...(begin === 60 ? [] : [sums("hour", sql`day = ${dayOf(hour)} AND hour = ${hour}`, { shown })]),
      ...(begin > place ? [ofHour(call, from, begin === 60 ? endOf(hour) : beginsAt)] : []),
      ...(begin < place ? [ofHour(ofCalls(sql`${from}`, sql`-`), beginsAt, from)] : []),
    ]
  }

  const cutHour = (hour: string) => {
    if (hour !== hourOf(from)) return [ofHour(call, hour, endOf(hour))]
    const isCutAgain = edges.filter((edge) => hourOf(edge) === hour).length > 1
    return isCutAgain ? [ofHour(call, from, endOf(hour))] : firstHour(hour)
  }

  const parts = [
    ...(finest === "hour" ? [hours] : [days, ...cutDays.flatMap(hoursOfCutDay)]),
    ...cutHours.flatMap(cutHour),
    recent,
    all,
  ]
  return parts.reduce((left, right) => sql`${left} UNION ALL ${right}`)
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
  resolution?: Resolution,
): Statement.Fragment => selectRows(sql, selection, rowsByPeriod(sql), resolution)

/**
 * The same over the whole of a window: rows with one column of their series, `uses`, `failures` and `last_used`, to be grouped
 * by that column as the others are. What else would be in a row takes time, asked for or not: SQLite leaves out nothing that
 * is grouped.
 */
export const windowSums = (
  sql: SqlClient.SqlClient,
  selection: CallSelection,
  column: SeriesColumn,
): Statement.Fragment => selectRows(sql, selection, rowsOfWindow(sql, column))
