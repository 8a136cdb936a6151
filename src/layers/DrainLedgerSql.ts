import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { DrainLedger } from "../services/DrainLedger.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./withImmediateTransaction.ts"

/** `DrainLedger` over an open database. */
export const makeDrainLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const inTransaction = withImmediateTransaction(sql)

  return DrainLedger.of({
    atomically: (effect) =>
      inTransaction(effect).pipe(
        Effect.catchIf(
          (error) => error instanceof SqlError,
          (error) => failingTo("write to the store")(Effect.fail(error)),
        ),
      ),

    isDrained: Effect.fn("DrainLedger.isDrained")(
      (name) => Effect.map(sql`SELECT 1 FROM drained_calls WHERE spool_name = ${name}`, (rows) => rows.length > 0),
      failingTo("look up a drained call"),
    ),

    remember: Effect.fn("DrainLedger.remember")(
      (name) => Effect.asVoid(sql`INSERT INTO drained_calls ${sql.insert({ spool_name: name })}`),
      failingTo("remember a drained call"),
    ),

    forget: Effect.fn("DrainLedger.forget")(
      (names) => Effect.asVoid(sql`DELETE FROM drained_calls WHERE ${sql.in("spool_name", names)}`),
      failingTo("forget drained calls"),
    ),
  })
})
