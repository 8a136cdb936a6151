import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/**
 * Until now a transcript was known again by its beginning only, which one that replaced it may share. Those that were read are
 * read once more.
 */
export const fingerprintTranscripts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE transcript_files RENAME COLUMN head TO fingerprint`
  yield* sql`DELETE FROM transcript_files`
})
