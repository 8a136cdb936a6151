import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { ProjectHash } from "../../domain/Project.ts"
import { now } from "../../domain/Timestamp.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { extractServerName, inferScope, inferToolType } from "../../domain/ToolName.ts"
import { makeCountUses } from "./countUses.ts"
import { NO_SESSION } from "./pruned.ts"
import { isHookCallWithoutId } from "./replaceProvisionalCalls.ts"

/**
 * Keeps of events that are taken away then what must stay: what they count, and by what they are known. They are given by
 * their ids, as a list in JSON.
 */
export const makeKeepPruned = (
  sql: SqlClient.SqlClient,
): ((ids: string) => Effect.Effect<void, SqlError | ParseError>) => {
  const countUses = makeCountUses(sql)

  const uncounted = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({
      tool_name: Schema.String,
      project_hash: Schema.NullOr(ProjectHash),
      uses: Schema.Number,
      first: TimestampText,
      last: TimestampText,
    }),
    execute: (ids) => sql`
      SELECT tool_name, project_hash, count(*) AS uses, min(created_at) AS first, max(created_at) AS last
      FROM tool_usage_events e
      WHERE id IN (SELECT value FROM json_each(${ids})) AND NOT EXISTS (
        SELECT 1 FROM tool_registry
        WHERE name = e.tool_name AND COALESCE(project_hash, '') = COALESCE(e.project_hash, ''))
      GROUP BY tool_name, project_hash`,
  })

  /** A call whose process was killed before it counted it would be forgotten with its event. */
  const countUncounted = (ids: string) =>
    Effect.gen(function* () {
      const writtenAt = yield* now
      const uses = (yield* uncounted(ids)).map(({ tool_name, project_hash, uses, first, last }) => ({
        tool: {
          name: tool_name,
          toolType: inferToolType(tool_name),
          scope: inferScope(tool_name),
          source: "events",
          projectHash: project_hash,
          description: null,
          serverName: extractServerName(tool_name),
        },
        count: uses,
        firstUsedAt: first,
        lastUsedAt: last,
        writtenAt,
        hasEvent: true,
      }))
      yield* countUses(uses)
    })

  /** What they counted in the aggregate stays, apart from its baseline: an export takes that to who may know these calls. */
  const keepInAggregate = (ids: string) => sql`
    UPDATE tool_registry SET
      pruned_count = coalesce(pruned_count, 0) + pruned.uses,
      pruned_last_used_at = max(coalesce(pruned_last_used_at, ''), pruned.last_used)
    FROM (
      SELECT tool_name, project_hash, count(*) AS uses, max(created_at) AS last_used FROM tool_usage_events
      WHERE id IN (SELECT value FROM json_each(${ids})) GROUP BY tool_name, project_hash) pruned
    WHERE tool_registry.name = pruned.tool_name AND tool_registry.project_hash IS pruned.project_hash`

  /**
   * By what names it: its id where its agent gave one, else its place in the store that wrote it, as it may come back from an
   * export, and what a transcript tells it by.
   */
  const remember = (ids: string) => {
    const pruned = sql`FROM tool_usage_events WHERE id IN (SELECT value FROM json_each(${ids}))`
    const isNamed = sql`agent IS NOT NULL AND tool_use_id IS NOT NULL`
    return Effect.all([
      sql`INSERT OR IGNORE INTO pruned_calls (tool_use_id, agent) SELECT tool_use_id, agent ${pruned} AND ${isNamed}`,
      sql`INSERT OR IGNORE INTO pruned_sessions (session_id) SELECT DISTINCT coalesce(session_id, ${NO_SESSION}) ${pruned}`,
      sql`
        INSERT OR IGNORE INTO event_origins (origin, origin_id, created_at, event_id)
        SELECT (SELECT id FROM store_identity), id, created_at, id ${pruned} AND NOT (${isNamed})
          AND NOT EXISTS (SELECT 1 FROM event_origins WHERE event_id = tool_usage_events.id)`,
      sql`
        INSERT INTO pruned_hook_calls (event_id, agent, session_id, tool_name, success, created_at)
        SELECT id, agent, session_id, tool_name, success, created_at ${pruned} AND ${isHookCallWithoutId(sql)}`,
    ])
  }

  return (ids) => Effect.all([countUncounted(ids), keepInAggregate(ids), remember(ids)], { discard: true })
}
