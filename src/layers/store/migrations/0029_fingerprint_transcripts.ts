import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/**
 * Until now a transcript was known again by its beginning only, which one that replaced it may share. Those that were read are
 * read once more.
 */
export const fingerprintTranscripts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE transcript_files`
  yield* sql`
    CREATE TABLE transcript_files (
      path TEXT PRIMARY KEY NOT NULL,
      size INTEGER NOT NULL, modified_at INTEGER NOT NULL,
      read_bytes INTEGER NOT NULL, read_lines INTEGER NOT NULL,
      fingerprint TEXT NOT NULL, carried TEXT NOT NULL) WITHOUT ROWID`
})
