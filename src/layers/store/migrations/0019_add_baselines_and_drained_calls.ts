import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const addBaselinesAndDrainedCalls = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // What the aggregate counts beyond the events: uses without an event, and counts taken over from elsewhere.
  yield* sql`ALTER TABLE tool_registry ADD COLUMN baseline_count INTEGER`
  yield* sql`ALTER TABLE tool_registry ADD COLUMN baseline_last_used_at TEXT`
  yield* sql`CREATE TABLE drained_calls (spool_name TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID`
})
