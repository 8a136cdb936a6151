import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { AllProjects, ProjectSelection } from "../../domain/Project.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { cutoff, lastSevenDays } from "../../domain/TimeWindow.ts"
import { ToolUseSource } from "../../domain/ToolUse.ts"
import { AgentActivity, DimensionStats, ToolUsageEvent, ToolUsageStats, UsageDimension } from "../../domain/Usage.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import { columnOf, everyProject, ofProject, ofSession, selectedCalls } from "./callSelection.ts"
import { failingTo } from "./failingTo.ts"
import { needsDetailOf, readSessionPruned } from "./pruned.ts"
import { windowSums } from "./windowSums.ts"

/** So many calls of each project are looked at for one that tells how new the newest session is. */
const NEAR = 10

/** The questions that `UsageEvents` answers. */
export const makeUsageQueries = (
  sql: SqlClient.SqlClient,
): Omit<Context.Tag.Service<UsageEvents>, "insert" | "insertAll" | "identifyHookCalls" | "getToldWithoutId"> => {
  const counts = sql`
    count(*) AS usage_count,
    sum(success = 0 AND failure_kind IS NOT 'interrupted') AS failures,
    max(created_at) AS last_used`

  /** The newest calls of every project that a condition holds for, as what stands behind FROM. */
  const newestOfEach = (limit: number, condition: Statement.Fragment) => sql`
    ${everyProject(sql)} CROSS JOIN tool_usage_events WHERE id IN (
      SELECT newest.id FROM tool_usage_events newest WHERE newest.project_hash IS hash AND ${condition}
      ORDER BY newest.created_at DESC, newest.id DESC LIMIT ${limit})`

  const needDetail = needsDetailOf(sql)
  const sessionPruned = readSessionPruned(sql)

  const sums = sql`sum(uses) AS usage_count, sum(failures) AS failures, max(last_used) AS last_used`

  const usageForTool = SqlSchema.findOne({
    Request: Schema.typeSchema(
      Schema.Struct({ toolName: Schema.String, project: ProjectSelection, since: TimestampText }),
    ),
    Result: ToolUsageStats,
    execute: ({ toolName, project, since }) => sql`
      SELECT tool_name, ${sums} FROM (${windowSums(sql, { project, from: since, tool: toolName }, "tool_name")})
      GROUP BY tool_name HAVING sum(uses) > 0`,
  })

  const usageForSession = SqlSchema.findAll({
    Request: Schema.NullOr(Schema.String),
    Result: ToolUsageStats,
    execute: (sessionId) => sql`
      SELECT tool_name, ${counts} FROM tool_usage_events
      WHERE ${ofSession(sql, sessionId)}
      GROUP BY tool_name ORDER BY usage_count DESC, tool_name`,
  })

  const usageBy = SqlSchema.findAll({
    Request: Schema.typeSchema(
      Schema.Struct({ dimension: UsageDimension, project: ProjectSelection, since: TimestampText }),
    ),
    Result: DimensionStats,
    execute: ({ dimension, project, since }) => {
      const column = sql(columnOf[dimension])
      return sql`
        SELECT ${column} AS key, ${sums} FROM (${windowSums(sql, { project, from: since }, columnOf[dimension])})
        WHERE ${column} IS NOT NULL
        GROUP BY ${column} HAVING sum(uses) > 0 ORDER BY usage_count DESC, key`
    },
  })

  const sources = SqlSchema.findAll({
    Request: Schema.Struct({ agent: Schema.String, toolUseIds: Schema.Array(Schema.String) }),
    Result: Schema.Struct({
      tool_use_id: Schema.String,
      source: Schema.NullOr(Schema.Union(ToolUseSource, Schema.Literal("pruned"))),
    }),
    execute: ({ agent, toolUseIds }) => {
      const asked = sql`json_each(${JSON.stringify(toolUseIds)})`
      return sql`
        SELECT tool_use_id, source FROM ${asked} CROSS JOIN tool_usage_events ON agent = ${agent} AND tool_use_id = value
        UNION ALL
        SELECT tool_use_id, 'pruned' FROM ${asked} CROSS JOIN pruned_calls ON tool_use_id = value AND agent = ${agent}`
    },
  })

  const newestSession = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ session_id: Schema.String }),
    // In a project without sessions all calls would be looked at; those that are older than one that has a session need not be.
    execute: () => sql`
      WITH near AS (
        SELECT max(created_at) AS session_at FROM ${newestOfEach(NEAR, sql`1`)} AND session_id IS NOT NULL)
      SELECT session_id FROM near CROSS JOIN ${newestOfEach(
        1,
        sql`session_id IS NOT NULL AND newest.created_at >= coalesce(session_at, '')`,
      )}
      ORDER BY created_at DESC, id DESC LIMIT 1`,
  })

  const activity = SqlSchema.single({
    Request: Schema.typeSchema(Schema.Struct({ agent: Schema.String, since: TimestampText })),
    Result: AgentActivity,
    execute: ({ agent, since }) => sql`
      SELECT
        (SELECT count(*) FROM ${selectedCalls(sql, { project: AllProjects, from: since })} AND agent = ${agent}) AS calls,
        (SELECT max(last) FROM (
          SELECT (SELECT last_used FROM usage_by_day WHERE series_id = id AND last_used <> '' ORDER BY day DESC LIMIT 1) AS last
          FROM usage_series WHERE agent = ${agent}
          UNION ALL
          SELECT max(created_at) FROM rollup_state CROSS JOIN tool_usage_events WHERE id > rolled_to AND +agent = ${agent}
          UNION ALL
          SELECT max(created_at) FROM rollup_state CROSS JOIN ${newestOfEach(1, sql`agent = ${agent}`)}
            AND filled_to < fill_until)) AS last_call`,
  })

  const newest = SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ project: ProjectSelection, limit: Schema.Number })),
    Result: ToolUsageEvent,
    execute: ({ project, limit }) => sql`
      SELECT id, tool_name, session_id, project_hash, success <> 0 AS success, created_at, agent, tool_use_id,
        duration_ms, subagent, target, server_name, failure_kind, source, duration_is_estimated
      FROM ${
        project === AllProjects ? newestOfEach(limit, sql`1`) : sql`tool_usage_events WHERE ${ofProject(sql, project)}`
      }
      ORDER BY created_at DESC, id DESC LIMIT ${limit}`,
  })

  return {
    getSources: Effect.fn("UsageEvents.getSources")(
      (agent, toolUseIds) =>
        Effect.map(
          sources({ agent, toolUseIds }),
          // Calls that older programs stored were all told by a hook.
          (rows) => new Map(rows.map(({ tool_use_id, source }) => [tool_use_id, source ?? "hook"])),
        ),
      failingTo("look up the events of calls"),
    ),

    getUsageForTool: Effect.fn("UsageEvents.getUsageForTool")(function* (toolName, project, window = lastSevenDays) {
      const since = yield* cutoff(window)
      yield* needDetail({ project, from: since, tool: toolName })
      return yield* usageForTool({ toolName, project, since }).pipe(failingTo("read the usage of a tool"))
    }),

    getUsageForSession: Effect.fn("UsageEvents.getUsageForSession")(function* (session) {
      // Of one moment: a prune may take some of them in between.
      const [pruned, rows] = yield* Effect.zip(sessionPruned(session), usageForSession(session)).pipe(
        sql.withTransaction,
        failingTo("read the usage of a session"),
      )
      return Option.isSome(pruned) ? yield* pruned.value : rows
    }),

    getUsageSince: Effect.fn("UsageEvents.getUsageSince")(function* (project, window = lastSevenDays) {
      const since = yield* cutoff(window)
      yield* needDetail({ project, from: since })
      const rows = yield* usageBy({ dimension: "tool", project, since }).pipe(failingTo("read the usage of a project"))
      return rows.map(({ key, ...stats }) => ({ tool_name: key, ...stats }))
    }),

    getUsageBy: Effect.fn("UsageEvents.getUsageBy")(function* (dimension, project, window = lastSevenDays) {
      const since = yield* cutoff(window)
      yield* needDetail({ project, from: since })
      return yield* usageBy({ dimension, project, since }).pipe(failingTo(`read the usage by ${dimension}`))
    }),

    getNewestSession: newestSession(undefined).pipe(
      Effect.map(Option.map((row) => row.session_id)),
      failingTo("read the newest session"),
      Effect.withSpan("UsageEvents.getNewestSession"),
    ),

    getActivity: Effect.fn("UsageEvents.getActivity")(
      (agent, since) => activity({ agent, since }),
      failingTo("read an agent's activity"),
    ),

    getNewest: Effect.fn("UsageEvents.getNewest")(
      (project, limit) => newest({ project, limit }),
      failingTo("read the newest events"),
    ),
  }
}
