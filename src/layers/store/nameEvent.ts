import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

/**
 * Gives an event that was recorded without a tool-use id the one of its call; where it is pruned, the id is known from then on.
 * It stays known by its place in the store that wrote it, because an export may have told of it by that.
 */
export const makeNameEvent =
  (sql: SqlClient.SqlClient) =>
  (eventId: number, toolUseId: string): Effect.Effect<void, SqlError> =>
    Effect.all(
      [
        // A forked session repeats its calls by their ids.
        sql`UPDATE OR IGNORE tool_usage_events SET tool_use_id = ${toolUseId} WHERE id = ${eventId} AND tool_use_id IS NULL`,
        sql`
          INSERT OR IGNORE INTO event_origins (origin, origin_id, created_at, event_id)
          SELECT (SELECT id FROM store_identity), id, created_at, id FROM tool_usage_events
          WHERE id = ${eventId} AND id NOT IN (SELECT event_id FROM event_origins WHERE event_id = ${eventId})`,
        sql`
          INSERT OR IGNORE INTO pruned_calls (tool_use_id, agent)
          SELECT ${toolUseId}, agent FROM pruned_hook_calls WHERE event_id = ${eventId}`,
        sql`DELETE FROM pruned_hook_calls WHERE event_id = ${eventId}`,
      ],
      { discard: true },
    )
