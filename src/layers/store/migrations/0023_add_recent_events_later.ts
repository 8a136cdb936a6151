import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** Until now each event was added to the sums when it came. A later migration makes the triggers that keep them. */
export const addRecentEventsLater = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE rollup_state ADD COLUMN rolled_to INTEGER NOT NULL DEFAULT 0`
  yield* sql`
    UPDATE rollup_state SET rolled_to = max(fill_until, (SELECT coalesce(max(id), 0) FROM tool_usage_events))`
  yield* Effect.forEach(
    ["roll_up_event", "roll_back_event", "roll_over_event"],
    (name) => sql`DROP TRIGGER IF EXISTS ${sql(name)}`,
    { discard: true },
  )
})
