import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../domain/ToolUse.ts"
import { UsageEvents } from "../services/UsageEvents.ts"
import { failingTo } from "./failingTo.ts"
import { onDemand } from "./onDemand.ts"

const eventColumns = (use: ToolUse) => ({
  tool_name: use.toolName,
  session_id: use.sessionId,
  project_hash: use.projectHash,
  success: use.success ? 1 : 0,
  created_at: use.usedAt,
  agent: use.agent,
  tool_use_id: use.toolUseId,
  duration_ms: use.durationMs,
  subagent: use.subagent,
  target: use.target,
  server_name: use.serverName,
  failure_kind: use.failureKind,
  source: use.source,
})

/** `UsageEvents` over an open database. */
export const makeUsageEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./usageQueries.ts").then((module) => module.makeUsageQueries(sql)))

  const insertEvent = (use: ToolUse) => sql`
    INSERT INTO tool_usage_events ${sql.insert(eventColumns(use))}
    ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING
    RETURNING id`

  return UsageEvents.of({
    insert: Effect.fn("UsageEvents.insert")(
      function* (use) {
        const inserted = yield* insertEvent(use)
        return inserted.length > 0 ? ("inserted" as const) : ("known" as const)
      },
      (effect, use) => failingTo(`insert the event of a ${use.toolName} call`)(effect),
    ),

    getUsageForTool: (...question) => Effect.flatMap(queries, (read) => read.getUsageForTool(...question)),
    getUsageForSession: (...question) => Effect.flatMap(queries, (read) => read.getUsageForSession(...question)),
    getUsageSince: (...question) => Effect.flatMap(queries, (read) => read.getUsageSince(...question)),
    getUsageBy: (...question) => Effect.flatMap(queries, (read) => read.getUsageBy(...question)),
    getNewestSession: Effect.flatMap(queries, (read) => read.getNewestSession),
    getNewest: (...question) => Effect.flatMap(queries, (read) => read.getNewest(...question)),
  })
})
