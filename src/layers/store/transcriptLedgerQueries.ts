import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ReadTranscript } from "../../domain/agents/TranscriptFile.ts"
import type { TranscriptLedger } from "../../services/TranscriptLedger.ts"
import { failingTo } from "./failingTo.ts"
import { makeInsertRows } from "./insertRows.ts"

/** What `TranscriptLedger` does. */
export const makeTranscriptLedgerQueries = (sql: SqlClient.SqlClient): Context.Tag.Service<TranscriptLedger> => {
  const all = SqlSchema.findAll({
    Request: Schema.Void,
    Result: ReadTranscript,
    execute: () => sql`
      SELECT path, size, modified_at AS modifiedAt, read_bytes AS readBytes, read_lines AS readLines, fingerprint, carried
      FROM transcript_files`,
  })

  const remember = makeInsertRows<ReadTranscript>(sql, {
    into: "transcript_files",
    columns: ["path", "size", "modified_at", "read_bytes", "read_lines", "fingerprint", "carried"],
    values: ({ path, size, modifiedAt, readBytes, readLines, fingerprint, carried }) => [
      path,
      size,
      modifiedAt,
      readBytes,
      readLines,
      fingerprint,
      carried,
    ],
    onConflict: `
      ON CONFLICT (path) DO UPDATE SET size = excluded.size, modified_at = excluded.modified_at,
        read_bytes = excluded.read_bytes, read_lines = excluded.read_lines, fingerprint = excluded.fingerprint, carried = excluded.carried`,
  })

  return {
    getAll: all(undefined).pipe(
      Effect.map((files) => new Map(files.map((file) => [file.path, file]))),
      failingTo("read which transcripts were read"),
      Effect.withSpan("TranscriptLedger.getAll"),
    ),

    remember: Effect.fn("TranscriptLedger.remember")(
      (files) => Effect.asVoid(remember(files)),
      failingTo("remember which transcripts were read"),
    ),
  }
}
