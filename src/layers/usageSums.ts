import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import { AllProjects, type ProjectSelection } from "../domain/Project.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import { seriesColumns } from "./rollupStatements.ts"

export interface SummedCalls {
  readonly project: ProjectSelection
  /** The first second. */
  readonly from: Timestamp
  readonly tool?: string | undefined
  /** Times, beside the first, at which a sum must be cut. */
  readonly cuts?: ReadonlyArray<Timestamp>
  /** No sum is over more than this. */
  readonly finest?: "day" | "hour"
}

const hourOf = (timestamp: Timestamp) => timestamp.slice(0, 13)
const dayOf = (text: string) => text.slice(0, 10)

const cutsHour = (edge: Timestamp) => !edge.endsWith(":00:00")
const cutsDay = (edge: Timestamp) => !edge.endsWith(" 00:00:00")

/** Sorts after all texts that begin with `prefix` and go on with what is in a time. */
const endOf = (prefix: string) => `${prefix}~`

/**
 * The calls since a time as a table: whole days, whole hours, and single calls in the hours that are cut. Each row has the
 * columns of its series, `at` (when its period began, or its call was), `uses`, `failures`,
 * `interruptions` and `last_used`. The sums of the rows are those of the calls, to the digit. While old events
 * are still to be added to the sums, all rows are single calls.
 */
export const usageSums = (
  sql: SqlClient.SqlClient,
  { project, from, tool, cuts = [], finest = "day" }: SummedCalls,
): Statement.Fragment => {
  const edges = [from, ...cuts.filter((cut) => cut > from)]
  const cutHours = [...new Set(edges.filter(cutsHour).map(hourOf))]
  const cutDays = [...new Set(edges.filter(cutsDay).map(dayOf))]

  const selected = (table: string) =>
    sql.and([
      ...(project === AllProjects ? [] : [sql`${sql(`${table}.project_hash`)} IS ${project}`]),
      ...(tool === undefined ? [] : [sql`${sql(`${table}.tool_name`)} = ${tool}`]),
      sql`1`,
    ])
  const columns = (table: string) => sql.csv(seriesColumns.map((column) => sql`${sql(`${table}.${column}`)}`))
  const isFilled = sql`state.filled_to >= state.fill_until`
  const call = sql`
    ${columns("calls")}, calls.created_at AS at, 1 AS uses,
    (calls.success = 0 AND calls.failure_kind IS NOT 'interrupted') AS failures,
    (calls.success = 0 AND calls.failure_kind IS 'interrupted') AS interruptions, calls.created_at AS last_used`

  const sums = (period: "day" | "hour", range: Statement.Fragment) => sql`
    SELECT ${columns("series")}, sums.${sql(period)} || ${period === "day" ? " 00:00:00" : ":00:00"} AS at, sums.uses, sums.failures, sums.interruptions, sums.last_used
    FROM rollup_state state CROSS JOIN usage_series series
    CROSS JOIN ${sql(`usage_by_${period}`)} sums ON sums.series_id = series.id AND ${range}
    WHERE ${isFilled} AND ${selected("series")}`

  // Over all projects, the index on project and time is used once for each of them.
  const everyProject = project === AllProjects && tool === undefined
  const ofHour = (hour: string) => sql`
    SELECT ${call} FROM rollup_state state
    ${everyProject ? sql`CROSS JOIN (SELECT DISTINCT project_hash FROM usage_series) known` : sql``}
    CROSS JOIN tool_usage_events calls
    WHERE ${isFilled} AND ${everyProject ? sql`calls.project_hash IS known.project_hash` : selected("calls")}
      AND calls.created_at >= ${hour === hourOf(from) ? from : hour} AND calls.created_at < ${endOf(hour)}`
  const all = sql`
    SELECT ${call} FROM rollup_state state CROSS JOIN tool_usage_events calls
    WHERE NOT (${isFilled}) AND ${selected("calls")} AND calls.created_at >= ${from}`

  const isUncut = (period: "day" | "hour", cut: ReadonlyArray<string>) =>
    cut.length === 0 ? sql`1` : sql`NOT ${sql.in(`sums.${period}`, cut)}`
  const days = sums("day", sql`sums.day >= ${dayOf(from)} AND ${isUncut("day", cutDays)}`)
  const hours = sums("hour", sql`sums.hour >= ${hourOf(from)} AND ${isUncut("hour", cutHours)}`)
  const hoursOfDay = (day: string) =>
    sums(
      "hour",
      sql`sums.hour >= ${day === dayOf(from) ? hourOf(from) : day} AND sums.hour < ${endOf(day)}
        AND ${isUncut("hour", cutHours)}`,
    )

  const parts = [...(finest === "hour" ? [hours] : [days, ...cutDays.map(hoursOfDay)]), ...cutHours.map(ofHour), all]
  return parts.reduce((left, right) => sql`${left} UNION ALL ${right}`)
}
