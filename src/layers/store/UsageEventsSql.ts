import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { failingTo } from "./failingTo.ts"
import { onDemand } from "./onDemand.ts"

/** `UsageEvents` over an open database. */
export const makeUsageEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./usageReads.ts").then((module) => module.makeUsageQueries(sql)))

  const insertEvent = (use: ToolUse) => sql`
    INSERT INTO tool_usage_events (
      tool_name, session_id, project_hash, success, created_at, agent, tool_use_id, duration_ms, subagent, target,
      server_name, failure_kind, source, duration_is_estimated)
    VALUES (
      ${use.toolName}, ${use.sessionId}, ${use.projectHash}, ${use.success ? 1 : 0}, ${use.usedAt}, ${use.agent},
      ${use.toolUseId}, ${use.durationMs}, ${use.subagent}, ${use.target}, ${use.serverName}, ${use.failureKind},
      ${use.source}, ${use.durationIsEstimated ? 1 : 0})
    ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING
    RETURNING id`

  const batches = onDemand(() => import("./insertMany.ts").then((module) => module.makeUsageBatches(sql)))

  const withoutId = onDemand(() =>
    import("./replaceProvisionalCalls.ts").then((module) => module.makeHookCallsWithoutId(sql)),
  )
  const insertWithoutId = onDemand(() =>
    import("./insertWithoutId.ts").then((module) => module.makeInsertWithoutId(sql, insertEvent)),
  )

  // Written after every call, and so without the span of an `Effect.fn`; the statement has one.
  const insert = (use: ToolUse) =>
    (use.toolUseId === null ? Effect.flatMap(insertWithoutId, (insertOnce) => insertOnce(use)) : insertEvent(use)).pipe(
      Effect.map((inserted) => (inserted.length > 0 ? ("inserted" as const) : ("known" as const))),
      failingTo(`insert the event of a ${use.toolName} call`),
    )

  const insertOneByOne = Effect.fnUntraced(function* (uses: ReadonlyArray<ToolUse>) {
    const inserted: Array<ToolUse> = []
    for (const use of uses) if ((yield* insert(use)) === "inserted") inserted.push(use)
    return inserted
  })

  return UsageEvents.of({
    insert,

    // A call without an id may be that of another in the batch.
    insertAll: (uses) =>
      uses.some(({ toolUseId }) => toolUseId === null)
        ? insertOneByOne(uses)
        : Effect.flatMap(batches, (batch) => batch.insertAll(uses)),
    identifyHookCalls: (uses) => Effect.flatMap(withoutId, ({ identify }) => identify(uses)),
    getToldWithoutId: (uses) => Effect.flatMap(withoutId, ({ getTold }) => getTold(uses)),
    getSources: (...question) => Effect.flatMap(queries, (read) => read.getSources(...question)),
    getUsageForTool: (...question) => Effect.flatMap(queries, (read) => read.getUsageForTool(...question)),
    getUsageForSession: (...question) => Effect.flatMap(queries, (read) => read.getUsageForSession(...question)),
    getUsageSince: (...question) => Effect.flatMap(queries, (read) => read.getUsageSince(...question)),
    getUsageBy: (...question) => Effect.flatMap(queries, (read) => read.getUsageBy(...question)),
    getNewestSession: Effect.flatMap(queries, (read) => read.getNewestSession),
    getActivity: (...question) => Effect.flatMap(queries, (read) => read.getActivity(...question)),
    getNewest: (...question) => Effect.flatMap(queries, (read) => read.getNewest(...question)),
  })
})
