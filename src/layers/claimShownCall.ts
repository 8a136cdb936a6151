import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Timestamp from "../domain/Timestamp.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

/** So far apart the hook and a transcript may tell the time of one call. */
export const MOST_APART_MILLIS = 5000

/** What a hook call without an id is known by. */
export interface ToldCall
  extends Pick<ToolUse, "toolUseId" | "agent" | "sessionId" | "toolName" | "success" | "usedAt"> {
  readonly source: string | null
}

/**
 * A transcript may have been read before the hook's call without an id is stored: the call is there then by its id. Takes the
 * first such call that no hook told of yet for the hook's, so that of many that are told of in their order none is left, and
 * returns its event's id; none where there is none, or the call has an id or does not come from the hook.
 */
export const makeClaimShownCall =
  (sql: SqlClient.SqlClient) =>
  ({
    toolUseId,
    source,
    agent,
    sessionId,
    toolName,
    success,
    usedAt,
  }: ToldCall): Effect.Effect<number | undefined, SqlError> => {
    if (toolUseId !== null || source !== "hook" || sessionId === null) return Effect.succeed(undefined)
    const millis = Timestamp.toEpochMillis(usedAt)
    const [from, until] = [millis - MOST_APART_MILLIS, millis + MOST_APART_MILLIS].map(Timestamp.fromEpochMillis)
    return Effect.map(
      sql`
        UPDATE tool_usage_events SET source = 'hook' WHERE id = (
          SELECT id FROM tool_usage_events
          WHERE session_id = ${sessionId} AND tool_name = ${toolName} AND agent = ${agent} AND source = 'transcript'
            AND tool_use_id IS NOT NULL AND created_at BETWEEN ${from} AND ${until}
          ORDER BY success <> ${success ? 1 : 0}, created_at, id LIMIT 1)
        RETURNING id`,
      ([row]) => (row === undefined ? undefined : Number(row.id)),
    )
  }
