import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import * as Schema from "effect/Schema"
import { AllProjects, ProjectSelection } from "../../domain/Project.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import type { ReportDimension } from "../../domain/Usage.ts"
import { bucketOf, everyProject, isFailure, isInterruption, type Level, levels } from "./sums.ts"

/** Which calls a query is about. */
export const CallSelection = Schema.Struct({
  project: ProjectSelection,
  tool: Schema.optional(Schema.String),
  session: Schema.optional(Schema.String),
  /** The first second; from the beginning of time if it is left out. */
  from: Schema.optional(TimestampText),
  /** The first second after it; until the end of time if it is left out. */
  until: Schema.optional(TimestampText),
})
export type CallSelection = typeof CallSelection.Type

const columnOf = {
  tool: "tool_name",
  target: "target",
  server: "server_name",
  agent: "agent",
  project: "project_hash",
  subagent: "subagent",
} as const

/** The value a call has in a dimension. `time` is the column of times. */
export const keyIn = (sql: SqlClient.SqlClient, dimension: ReportDimension, time: "created_at" | "at") => {
  if (dimension === "day") return sql`substr(${sql(time)}, 1, 10)`
  // Another program may have written calls of tools that the registry does not know.
  if (dimension === "type") {
    return sql`coalesce((SELECT max(tool_type) FROM tool_registry WHERE name = tool_name), CASE
      WHEN substr(tool_name, 1, 5) = 'mcp__' THEN 'mcp_tool' WHEN tool_name = 'Skill' THEN 'skill'
      WHEN tool_name GLOB '[A-Z]*' AND tool_name NOT GLOB '*[^A-Za-z0-9]*' THEN 'builtin' ELSE 'unknown' END)`
  }
  return sql`${sql(columnOf[dimension])}`
}

/** The series whose sums answer for a dimension with the fewest rows. */
export const levelFor = (dimension: ReportDimension, { project, tool }: CallSelection): Level => {
  if (project !== AllProjects) return "series"
  if (dimension === "tool" || dimension === "type") return "tool"
  return dimension === "day" ? (tool === undefined ? "all" : "tool") : "series"
}

const ofProject = (sql: SqlClient.SqlClient, project: ProjectSelection) =>
  project === AllProjects ? sql`1` : sql`project_hash IS ${project}`

const ofTime = (sql: SqlClient.SqlClient, { from, until }: Pick<CallSelection, "from" | "until">) =>
  sql.and([
    ...(from === undefined ? [] : [sql`created_at >= ${from}`]),
    ...(until === undefined ? [] : [sql`created_at < ${until}`]),
    sql`1`,
  ])

/** The condition that selects the calls. */
export const isSelected = (sql: SqlClient.SqlClient, selection: CallSelection): Statement.Fragment =>
  sql.and([
    ofProject(sql, selection.project),
    ofTime(sql, selection),
    ...(selection.tool === undefined ? [] : [sql`tool_name = ${selection.tool}`]),
  ])

/**
 * The selected calls themselves, as text after FROM that ends with a condition. There is no index on time over all projects,
 * so the index on project and time is used once for each. A tool has fewer calls than a project: the sign keeps SQLite from the index
 * on projects then.
 */
export const selectedCalls = (sql: SqlClient.SqlClient, selection: CallSelection): Statement.Fragment => {
  const { project, tool, session } = selection
  if (session !== undefined) return sql`tool_usage_events WHERE session_id = ${session}`
  if (tool !== undefined) {
    return sql`tool_usage_events WHERE tool_name = ${tool} AND +(${ofProject(sql, project)}) AND ${ofTime(sql, selection)}`
  }
  return project === AllProjects
    ? sql`${everyProject(sql)} CROSS JOIN tool_usage_events WHERE project_hash IS hash AND ${ofTime(sql, selection)}`
    : sql`tool_usage_events WHERE ${ofProject(sql, project)} AND ${ofTime(sql, selection)}`
}

/** The condition on `usage_series` that selects the series of a level. */
export const selectedSeries = (sql: SqlClient.SqlClient, { project, tool }: CallSelection, level: Level) =>
  sql.and([
    sql`level = ${levels[level]}`,
    ...(level === "series" && project !== AllProjects ? [sql`project_hash = ${project ?? ""}`] : []),
    ...(tool === undefined ? [] : [sql`tool_name = ${tool}`]),
  ])

/** The calls that are not in the sums yet: mostly none, and few unless another program wrote them. */
export const unfoldedCalls = (sql: SqlClient.SqlClient, selection: CallSelection) => sql`
  usage_state CROSS JOIN tool_usage_events ON id > rolled_to
  WHERE ${ofTime(sql, selection)} AND +(${ofProject(sql, selection.project)})
    AND ${selection.tool === undefined ? sql`1` : sql`+tool_name = ${selection.tool}`}`

const dayOf = (time: string) => time.slice(0, 10)
const hourOf = (time: string) => time.slice(0, 13)
const isWholeHour = (time: string | undefined) => time === undefined || time.endsWith(":00:00")
const isWholeDay = (time: string | undefined) => time === undefined || time.endsWith(" 00:00:00")

/** Sorts after all times that begin with `prefix`. */
const endOf = (prefix: string) => `${prefix}~`

/**
 * The selected calls added up: whole days, whole hours, the single calls of the hours in which the window begins and ends, and
 * those that are not in the sums yet. Each row has the columns of its series (with level `tool` only the tool's), `at` (when the
 * period began, or when the call was), `uses`, `failures`, `interruptions`, the bytes, `durations` and `last_used`. With `finest` "hour" nothing is
 * added up over more than an hour. The calls of a session are single.
 */
export const callsInWindow = (
  sql: SqlClient.SqlClient,
  selection: CallSelection,
  level: Level,
  finest: "day" | "hour" = "day",
): Statement.Fragment => {
  const { from, until } = selection
  const series = sql`
    tool_name, nullif(project_hash, '') AS project_hash, nullif(agent, '') AS agent, nullif(subagent, '') AS subagent,
    nullif(target, '') AS target, nullif(server_name, '') AS server_name`
  const sums = (period: "day" | "hour", range: ReadonlyArray<Statement.Fragment>) => sql`
    SELECT ${series}, ${period === "day" ? sql`day || ' 00:00:00'` : sql`hour || ':00:00'`} AS at,
      uses, failures, interruptions, input_bytes, output_bytes, durations, last_used
    FROM usage_series CROSS JOIN ${sql(`usage_by_${period}`)} ON series_id = id AND ${sql.and([...range, sql`1`])}
    WHERE ${selectedSeries(sql, selection, level)}`
  const single = sql`
    SELECT tool_name, project_hash, agent, subagent, target, server_name, created_at AS at, 1 AS uses,
      ${sql.literal(isFailure)} AS failures, ${sql.literal(isInterruption)} AS interruptions,
      coalesce(input_bytes, 0) AS input_bytes, coalesce(output_bytes, 0) AS output_bytes,
      iif(duration_ms IS NULL, '{}', json_object(CAST(${sql.literal(bucketOf)} AS TEXT), 1)) AS durations, created_at AS last_used`
  if (selection.session !== undefined) return sql`${single} FROM ${selectedCalls(sql, selection)}`
  const calls = (begin: string, end: string) => sql`
    ${single} FROM ${selectedCalls(sql, { ...selection, from: begin as typeof from, until: end as typeof until })}
      AND id <= (SELECT rolled_to FROM usage_state)`

  /** The hours of a day that the window cuts, or of all days. */
  const hours = (day: ReadonlyArray<Statement.Fragment>) =>
    sums("hour", [
      ...day,
      ...(from === undefined ? [] : [isWholeHour(from) ? sql`hour >= ${hourOf(from)}` : sql`hour > ${hourOf(from)}`]),
      ...(until === undefined ? [] : [sql`hour < ${hourOf(until)}`]),
    ])
  const days = () =>
    sums("day", [
      ...(from === undefined ? [] : [isWholeDay(from) ? sql`day >= ${dayOf(from)}` : sql`day > ${dayOf(from)}`]),
      ...(until === undefined ? [] : [sql`day < ${dayOf(until)}`]),
    ])
  const cutDays = [
    ...(from === undefined || isWholeDay(from) ? [] : [dayOf(from)]),
    ...(until === undefined || isWholeDay(until) ? [] : [dayOf(until)]),
  ]
  const sumParts =
    finest === "day"
      ? [days(), ...[...new Set(cutDays)].map((day) => hours([sql`day = ${day}`]))]
      : [
          hours([
            ...(from === undefined ? [] : [sql`day >= ${dayOf(from)}`]),
            ...(until === undefined ? [] : [sql`day <= ${dayOf(until)}`]),
          ]),
        ]

  const singleCalls = () => {
    if (from !== undefined && until !== undefined && hourOf(from) === hourOf(until)) return [calls(from, until)]
    return [
      ...(from === undefined || isWholeHour(from) ? [] : [calls(from, endOf(hourOf(from)))]),
      ...(until === undefined || isWholeHour(until) ? [] : [calls(hourOf(until), until)]),
    ]
  }

  const parts = [...sumParts, ...singleCalls(), sql`${single} FROM ${unfoldedCalls(sql, selection)}`]
  return parts.reduce((left, right) => sql`${left} UNION ALL ${right}`)
}
