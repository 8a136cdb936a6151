import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ReadTranscript } from "../domain/TranscriptFile.ts"
import type { TranscriptLedger } from "../services/TranscriptLedger.ts"
import { failingTo } from "./failingTo.ts"

/** What `TranscriptLedger` does. */
export const makeTranscriptLedgerQueries = (sql: SqlClient.SqlClient): Context.Tag.Service<TranscriptLedger> => {
  const all = SqlSchema.findAll({
    Request: Schema.Void,
    Result: ReadTranscript,
    execute: () => sql`
      SELECT path, size, modified_at AS modifiedAt, read_bytes AS readBytes, read_lines AS readLines, head, carried
      FROM transcript_files`,
  })

  const remember = (read: ReadTranscript) => sql`
    INSERT OR REPLACE INTO transcript_files (path, size, modified_at, read_bytes, read_lines, head, carried)
    VALUES (${read.path}, ${read.size}, ${read.modifiedAt}, ${read.readBytes}, ${read.readLines}, ${read.head},
      ${read.carried})`

  return {
    getAll: all(undefined).pipe(
      Effect.map((files) => new Map(files.map((file) => [file.path, file]))),
      failingTo("read which transcripts were read"),
      Effect.withSpan("TranscriptLedger.getAll"),
    ),

    remember: Effect.fn("TranscriptLedger.remember")(
      (files) => Effect.forEach(files, remember, { discard: true }),
      failingTo("remember which transcripts were read"),
    ),
  }
}
