import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { TimestampText } from "../../domain/TimestampText.ts"
import { ReadTranscript, TranscriptLedger } from "../../services/Transcripts.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"
import { makeInsertRows } from "./insertRows.ts"

/** `TranscriptLedger` over an open database. */
export const makeTranscriptLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

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

  const historyFrom = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ time: Schema.NullOr(TimestampText) }),
    execute: () => sql`SELECT history_from AS time FROM usage_state`,
  })

  return TranscriptLedger.of({
    getAll: all(undefined).pipe(
      Effect.map((files) => new Map(files.map((file) => [file.path, file]))),
      failingTo("read which transcripts were read"),
      Effect.withSpan("TranscriptLedger.getAll"),
    ),

    remember: Effect.fn("TranscriptLedger.remember")(
      (files) => Effect.asVoid(remember(files)),
      failingTo("remember which transcripts were read"),
    ),

    historyFrom: historyFrom(undefined).pipe(
      Effect.map(({ time }) => Option.fromNullable(time)),
      failingTo("read from when on history is wanted"),
      Effect.withSpan("TranscriptLedger.historyFrom"),
    ),

    leaveHistoryBefore: Effect.fn("TranscriptLedger.leaveHistoryBefore")(
      (time) => Effect.asVoid(sql`UPDATE usage_state SET history_from = ${time}`),
      failingTo("leave history out"),
    ),

    takeHistory: Effect.gen(function* () {
      yield* sql`DELETE FROM transcript_files WHERE (SELECT history_from FROM usage_state) IS NOT NULL`
      yield* sql`UPDATE usage_state SET history_from = NULL`
    }).pipe(
      withImmediateTransaction(sql),
      failingTo("take all history"),
      Effect.withSpan("TranscriptLedger.takeHistory"),
    ),
  })
})
