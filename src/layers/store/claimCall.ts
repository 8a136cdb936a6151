import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Timestamp from "../../domain/Timestamp.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"

/** So far apart two may tell the time of one call. */
export const MOST_APART_MILLIS = 5000

/** From whom a call may be there already that one tells of without an id. */
const others: ReadonlyMap<string | null, ReadonlyArray<string>> = new Map([
  ["hook", ["transcript", "plugin"]],
  ["plugin", ["transcript", "hook"]],
  ["hook+plugin", ["transcript"]],
])

/** What a call is known by of which no id is told. */
export interface ToldCall
  extends Pick<
    ToolUse,
    "toolUseId" | "agent" | "sessionId" | "toolName" | "success" | "usedAt" | "durationMs" | "subagent" | "target"
  > {
  readonly source: string | null
}

/**
 * A call without an id may be there already: by its id, where its transcript was read before, or without one, where Claude Code
 * runs the hook both by its settings and by the plugin, and tells both the same of it. Takes the first call of another's that
 * fits for the one that is told of, so that of many that are told of in their order none is left, and returns its event's id.
 * None where there is none, or the call has an id. To be run in one transaction with what comes of it.
 */
export const makeClaimCall =
  (sql: SqlClient.SqlClient) =>
  (call: ToldCall): Effect.Effect<number | undefined, SqlError> => {
    const { toolUseId, source, agent, sessionId, toolName, success, usedAt, durationMs, subagent, target } = call
    const sources = toolUseId === null ? others.get(source) : undefined
    if (sources === undefined || sessionId === null) return Effect.succeed(undefined)
    const millis = Timestamp.toEpochMillis(usedAt)
    const [from, until] = [millis - MOST_APART_MILLIS, millis + MOST_APART_MILLIS].map(Timestamp.fromEpochMillis)
    return Effect.map(
      sql`
        UPDATE tool_usage_events SET source = iif(source = 'transcript', ${source}, 'hook+plugin') WHERE id = (
          SELECT id FROM tool_usage_events
          WHERE session_id = ${sessionId} AND tool_name = ${toolName} AND agent = ${agent} AND ${sql.in("source", sources)}
            AND created_at BETWEEN ${from} AND ${until}
            AND (source = 'transcript' OR success = ${success ? 1 : 0} AND duration_ms IS ${durationMs}
              AND subagent IS ${subagent} AND target IS ${target})
          ORDER BY success <> ${success ? 1 : 0}, created_at, id LIMIT 1)
        RETURNING id`,
      ([row]) => (row === undefined ? undefined : Number(row.id)),
    )
  }
