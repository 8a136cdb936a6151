import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { TranscriptLedger } from "../../services/TranscriptLedger.ts"
import { onDemand } from "./onDemand.ts"

/** `TranscriptLedger` over an open database. */
export const makeTranscriptLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() =>
    import("./transcriptLedgerQueries.ts").then((module) => module.makeTranscriptLedgerQueries(sql)),
  )

  return TranscriptLedger.of({
    getAll: Effect.flatMap(queries, (ledger) => ledger.getAll),
    remember: (read) => Effect.flatMap(queries, (ledger) => ledger.remember(read)),
  })
})
