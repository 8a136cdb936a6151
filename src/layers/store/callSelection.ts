import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import * as Schema from "effect/Schema"
import { AllProjects, ProjectSelection } from "../../domain/Project.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { inferToolType } from "../../domain/ToolName.ts"
import type { ReportDimension } from "../../domain/Usage.ts"

/** Which calls a query is about. */
export const CallSelection = Schema.Struct({
  project: ProjectSelection,
  /** The first second; from the beginning of time where it is left out. */
  from: Schema.optional(TimestampText),
  tool: Schema.optional(Schema.String),
  session: Schema.optional(Schema.String),
})
export type CallSelection = typeof CallSelection.Type

export const ofProject = (sql: SqlClient.SqlClient, project: ProjectSelection): Statement.Fragment =>
  project === AllProjects ? sql`1` : sql`project_hash IS ${project}`

/** The index on sessions is for `=` only. */
export const ofSession = (sql: SqlClient.SqlClient, session: string | null): Statement.Fragment =>
  session === null ? sql`session_id IS NULL` : sql`session_id = ${session}`

/**
 * The condition that selects them. Of a tool there are mostly fewer calls than of a project, so that they are found by the
 * index on tool and time: the sign keeps SQLite from the other.
 */
export const selected = (sql: SqlClient.SqlClient, { project, from, tool, session }: CallSelection) =>
  sql.and([
    tool === undefined ? ofProject(sql, project) : sql`+(${ofProject(sql, project)})`,
    ...(from === undefined ? [] : [sql`created_at >= ${from}`]),
    ...(tool === undefined ? [] : [sql`tool_name = ${tool}`]),
    ...(session === undefined ? [] : [sql`session_id = ${session}`]),
  ])

/** Every project that calls are of, and null, each found in the index on project and time behind the one before. */
export const everyProject = (sql: SqlClient.SqlClient): Statement.Fragment => sql`(
  WITH RECURSIVE project (hash) AS (
    SELECT min(project_hash) FROM tool_usage_events
    UNION ALL
    SELECT (SELECT min(project_hash) FROM tool_usage_events WHERE project_hash > hash) FROM project WHERE hash IS NOT NULL)
  SELECT hash FROM project)`

/**
 * The selected calls, as what stands behind FROM; its end is a condition. There is no index on time over all projects, so
 * that on project and time is used once for each.
 */
export const selectedCalls = (sql: SqlClient.SqlClient, selection: CallSelection): Statement.Fragment => {
  const { project, from, tool, session } = selection
  return project === AllProjects && from !== undefined && tool === undefined && session === undefined
    ? sql`${everyProject(sql)} CROSS JOIN tool_usage_events WHERE project_hash IS hash AND created_at >= ${from}`
    : sql`tool_usage_events WHERE ${selected(sql, selection)}`
}

export const columnOf = {
  tool: "tool_name",
  target: "target",
  server: "server_name",
  agent: "agent",
  project: "project_hash",
  subagent: "subagent",
} as const

/** The value a call has in a dimension. What kind a tool is, only the program knows: `tools` are the names there are. `time` is the column of times. */
export const keyIn = (
  sql: SqlClient.SqlClient,
  dimension: ReportDimension,
  tools: ReadonlyArray<string>,
  time: "created_at" | "at" = "created_at",
): Statement.Fragment => {
  if (dimension === "day") return sql`substr(${sql(time)}, 1, 10)`
  if (dimension !== "type") return sql`${sql(columnOf[dimension])}`
  const types = [...new Set(tools.map(inferToolType))]
  return types.reduce<Statement.Fragment>(
    (rest, type) =>
      sql`CASE WHEN ${sql.in(
        "tool_name",
        tools.filter((tool) => inferToolType(tool) === type),
      )} THEN ${type} ELSE ${rest} END`,
    sql`NULL`,
  )
}
