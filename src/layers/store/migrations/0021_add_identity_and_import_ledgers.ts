import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const addIdentityAndImportLedgers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // An event is known anywhere by the store it was written in and its id there; the time tells stores apart that were one,
  // as a copy and its original.
  yield* sql`CREATE TABLE store_identity (id TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID`
  yield* sql`INSERT INTO store_identity VALUES (lower(hex(randomblob(16))))`
  yield* sql`
    CREATE TABLE imported_events (
      origin TEXT NOT NULL, origin_id INTEGER NOT NULL, created_at TEXT NOT NULL,
      event_id INTEGER NOT NULL UNIQUE,
      PRIMARY KEY (origin, origin_id, created_at)) WITHOUT ROWID`
  // What baselines hold of other stores' uses without an event.
  yield* sql`
    CREATE TABLE imported_baselines (
      origin TEXT NOT NULL, name TEXT NOT NULL, project_hash TEXT,
      count INTEGER NOT NULL, last_used_at TEXT, counted INTEGER)`
  yield* sql`
    CREATE UNIQUE INDEX idx_imported_baselines ON imported_baselines(origin, name, COALESCE(project_hash, ''))`
})
