import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/**
 * Until now an event was known by one name besides its id: the store that wrote it and its place there. One that was written
 * without a tool-use id, and is given that later, stays known by its place as well, and so does one that is pruned. Of those
 * that are pruned before they are given one, what a transcript tells it by is kept.
 */
export const knowEventsByMoreNames = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // To rename a table, SQLite goes through the whole schema, which takes longer than all else that makes a store.
  yield* sql`
    CREATE TABLE event_origins (
      origin TEXT NOT NULL, origin_id INTEGER NOT NULL, created_at TEXT NOT NULL, event_id INTEGER,
      PRIMARY KEY (origin, origin_id, created_at)) WITHOUT ROWID`
  yield* sql`INSERT INTO event_origins SELECT origin, origin_id, created_at, event_id FROM imported_events`
  yield* sql`DROP TABLE imported_events`
  yield* sql`CREATE INDEX idx_event_origins_event ON event_origins(event_id)`
  yield* sql`
    CREATE TABLE pruned_hook_calls (
      event_id INTEGER PRIMARY KEY NOT NULL, agent TEXT NOT NULL, session_id TEXT NOT NULL, tool_name TEXT NOT NULL,
      success INTEGER NOT NULL, created_at TEXT NOT NULL)`
  yield* sql`CREATE INDEX idx_pruned_hook_calls_session ON pruned_hook_calls(session_id)`
})
