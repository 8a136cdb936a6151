import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const addTranscriptFiles = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE tool_usage_events ADD COLUMN duration_is_estimated INTEGER`
  // How far each transcript was read, and what is needed to read on from there.
  yield* sql`
    CREATE TABLE transcript_files (
      path TEXT PRIMARY KEY NOT NULL,
      size INTEGER NOT NULL, modified_at INTEGER NOT NULL,
      read_bytes INTEGER NOT NULL, read_lines INTEGER NOT NULL,
      head TEXT NOT NULL, carried TEXT NOT NULL) WITHOUT ROWID`
})
