import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { eventColumns } from "../../domain/eventColumns.ts"
import { AllProjects, ProjectSelection } from "../../domain/Project.ts"
import { DetailPruned } from "../../domain/StoreError.ts"
import { fromEpochMillis } from "../../domain/Timestamp.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { cutoff, lastSevenDays, type TimeWindow } from "../../domain/TimeWindow.ts"
import { ToolUsageEvent, ToolUseSource } from "../../domain/ToolUse.ts"
import { AgentActivity, ReportDimension, ToolUsageStats } from "../../domain/Usage.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import {
  CallSelection,
  callsInWindow,
  keyIn,
  levelFor,
  selectedCalls,
  selectedSeries,
  unfoldedCalls,
} from "./callsInWindow.ts"
import { failingTo } from "./failingTo.ts"
import { everyProject, isFailure } from "./sums.ts"

/** The uses of each value of a dimension, most used first, then by key; null is the key of calls without a value. */
export const makeUsageBy = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ dimension: ReportDimension, selection: CallSelection })),
    Result: Schema.Struct({
      key: Schema.NullOr(Schema.String),
      usage_count: Schema.Number,
      failures: Schema.Number,
      interruptions: Schema.Number,
      input_bytes: Schema.Number,
      output_bytes: Schema.Number,
      last_used: TimestampText,
    }),
    execute: ({ dimension, selection }) => sql`
      SELECT ${keyIn(sql, dimension, "at")} AS key, sum(uses) AS usage_count, sum(failures) AS failures,
        sum(interruptions) AS interruptions, sum(input_bytes) AS input_bytes, sum(output_bytes) AS output_bytes,
        max(last_used) AS last_used
      FROM (${callsInWindow(sql, selection, levelFor(dimension, selection))})
      GROUP BY 1 ORDER BY usage_count DESC, key`,
  })

/** The calls of a window that ends now. It needs an end only if there are later calls, as by a clock that is ahead. */
export const makeSelectionOf = (sql: SqlClient.SqlClient) => {
  const anyLater = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({ is_there: Schema.Number }),
    execute: (end) => sql`
      SELECT EXISTS (SELECT 1 FROM usage_by_day WHERE series_id = 1 AND day >= ${end.slice(0, 10)} AND last_used >= ${end})
        OR EXISTS (SELECT 1 FROM usage_state CROSS JOIN tool_usage_events ON id > rolled_to WHERE created_at >= ${end})
        AS is_there`,
  })
  return (project: ProjectSelection, window: TimeWindow, tool?: string) =>
    Effect.gen(function* () {
      const from = yield* cutoff(window)
      const end = fromEpochMillis((yield* Clock.currentTimeMillis) + 1000)
      const selection = { project, from, ...(tool === undefined ? {} : { tool }) }
      return (yield* anyLater(end)).is_there === 1 ? { ...selection, until: end } : selection
    })
}

/** The day before which calls are pruned, if there were selected ones between `from` and that day. */
export const makePrunedOf = (sql: SqlClient.SqlClient) => {
  const find = SqlSchema.findOne({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ before: Schema.String }),
    execute: (selection) => sql`
      SELECT pruned_before AS before FROM usage_state
      WHERE pruned_before > ${selection.from ?? ""} AND EXISTS (
        SELECT 1 FROM usage_series CROSS JOIN usage_by_day
          ON series_id = id AND day >= ${selection.from?.slice(0, 10) ?? ""} AND day < pruned_before
        WHERE ${selectedSeries(sql, selection, levelFor("day", selection))})`,
  })
  return (selection: CallSelection) =>
    Effect.map(
      find(selection),
      Option.map(({ before }) => before),
    )
}

/** Fails if a selection needs single calls that are pruned. */
export const makeNeedDetail = (sql: SqlClient.SqlClient) => {
  const prunedOf = makePrunedOf(sql)
  return (selection: CallSelection) =>
    Effect.flatMap(
      prunedOf(selection),
      Option.match({ onNone: () => Effect.void, onSome: (before) => Effect.fail(new DetailPruned({ before })) }),
    )
}

/** The questions that `UsageEvents` answers. */
export const makeUsageReads = (
  sql: SqlClient.SqlClient,
): Omit<Context.Tag.Service<UsageEvents>, "insert" | "insertAll" | "removeProvisional"> => {
  const usageBy = makeUsageBy(sql)
  const selectionOf = makeSelectionOf(sql)
  const needDetail = makeNeedDetail(sql)

  /** How each tool was used in a window, in one transaction: a prune may delete some of it in between. */
  const usageOfTools = (project: ProjectSelection, window: TimeWindow, tool?: string) =>
    Effect.gen(function* () {
      const selection = yield* selectionOf(project, window, tool)
      yield* needDetail(selection)
      const rows = yield* usageBy({ dimension: "tool", selection })
      return rows.map(
        ({ key, usage_count, failures, last_used }): ToolUsageStats => ({
          tool_name: key ?? "",
          usage_count,
          failures,
          last_used,
        }),
      )
    }).pipe(sql.withTransaction)

  const usageForSession = SqlSchema.findAll({
    Request: Schema.NullOr(Schema.String),
    Result: ToolUsageStats,
    // The index on sessions is for `=` only.
    execute: (sessionId) => sql`
      SELECT tool_name, count(*) AS usage_count, count(*) FILTER (WHERE ${sql.literal(isFailure)}) AS failures,
        max(created_at) AS last_used
      FROM tool_usage_events WHERE ${sessionId === null ? sql`session_id IS NULL` : sql`session_id = ${sessionId}`}
      GROUP BY tool_name ORDER BY usage_count DESC, tool_name`,
  })

  const sources = SqlSchema.findAll({
    Request: Schema.Struct({ agent: Schema.String, toolUseIds: Schema.Array(Schema.String) }),
    Result: Schema.Struct({ tool_use_id: Schema.String, source: ToolUseSource }),
    execute: ({ agent, toolUseIds }) => sql`
      SELECT tool_use_id, source FROM json_each(${JSON.stringify(toolUseIds)})
      CROSS JOIN tool_usage_events ON agent = ${agent} AND tool_use_id = value`,
  })

  const newestSession = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ session_id: Schema.String }),
    execute: () => sql`
      WITH last AS (
        SELECT session_id, last_used FROM usage_by_session WHERE series_id = 1
          AND last_used = (SELECT max(last_used) FROM usage_by_session WHERE series_id = 1)
        UNION
        SELECT session_id, max(created_at) FROM ${unfoldedCalls(sql, { project: AllProjects })}
          AND session_id IS NOT NULL GROUP BY session_id)
      SELECT last.session_id FROM last CROSS JOIN tool_usage_events e ON e.session_id = last.session_id
      WHERE last_used = (SELECT max(last_used) FROM last) AND created_at = last_used ORDER BY e.id DESC LIMIT 1`,
  })

  const activity = SqlSchema.single({
    Request: Schema.typeSchema(Schema.Struct({ agent: Schema.String, since: TimestampText })),
    Result: AgentActivity,
    execute: ({ agent, since }) => sql`
      SELECT
        (SELECT count(*) FROM ${selectedCalls(sql, { project: AllProjects, from: since })} AND agent = ${agent}) AS calls,
        (SELECT max(last) FROM (
          SELECT (SELECT last_used FROM usage_by_day WHERE series_id = id ORDER BY day DESC LIMIT 1) AS last
          FROM usage_series WHERE level = 0 AND agent = ${agent}
          UNION ALL
          SELECT max(created_at) FROM ${unfoldedCalls(sql, { project: AllProjects })} AND +agent = ${agent})) AS last_call`,
  })

  /** The newest calls of every project, as text after FROM. */
  const newestOfEach = (limit: number): Statement.Fragment => sql`
    ${everyProject(sql)} CROSS JOIN tool_usage_events WHERE id IN (
      SELECT newest.id FROM tool_usage_events newest WHERE newest.project_hash IS hash
      ORDER BY newest.created_at DESC, newest.id DESC LIMIT ${limit})`

  const newest = SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ project: ProjectSelection, limit: Schema.Number })),
    Result: ToolUsageEvent,
    execute: ({ project, limit }) => sql`
      SELECT id, ${sql.csv(eventColumns.map((column) => (column === "success" ? sql`success <> 0 AS success` : sql`${sql(column)}`)))}
      FROM ${project === AllProjects ? newestOfEach(limit) : selectedCalls(sql, { project })}
      ORDER BY created_at DESC, id DESC LIMIT ${limit}`,
  })

  return {
    getSources: Effect.fn("UsageEvents.getSources")(
      (agent, toolUseIds) =>
        Effect.map(
          sources({ agent, toolUseIds }),
          (rows) => new Map(rows.map(({ tool_use_id, source }) => [tool_use_id, source])),
        ),
      failingTo("look up the events of calls"),
    ),

    getUsageForTool: Effect.fn("UsageEvents.getUsageForTool")(
      (toolName, project, window = lastSevenDays) =>
        Effect.map(usageOfTools(project, window, toolName), ([stats]) => Option.fromNullable(stats)),
      failingTo("read the usage of a tool"),
    ),

    getUsageForSession: Effect.fn("UsageEvents.getUsageForSession")(
      (session) => usageForSession(session),
      failingTo("read the usage of a session"),
    ),

    getUsageSince: Effect.fn("UsageEvents.getUsageSince")(
      (project, window = lastSevenDays) => usageOfTools(project, window),
      failingTo("read the usage of a project"),
    ),

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
