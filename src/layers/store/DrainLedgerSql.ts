import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { DrainLedger } from "../../services/Transaction.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"

/** `DrainLedger` over an open database. */
export const makeDrainLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const inTransaction = withImmediateTransaction(sql)

  /** Names as one parameter, however many they are. */
  const listed = (names: ReadonlyArray<string>) => sql`SELECT value FROM json_each(${JSON.stringify(names)})`

  return DrainLedger.of({
    atomically: (effect) =>
      inTransaction(effect).pipe(
        Effect.catchIf(
          (error) => error instanceof SqlError,
          (error) => failingTo("write to the store")(Effect.fail(error)),
        ),
      ),

    getRemembered: sql`SELECT spool_name FROM drained_calls`.pipe(
      Effect.map((rows) => new Set(rows.map(({ spool_name }) => String(spool_name)))),
      failingTo("look up drained calls"),
      Effect.withSpan("DrainLedger.getRemembered"),
    ),

    remember: Effect.fn("DrainLedger.remember")(
      (names) => Effect.asVoid(sql`INSERT INTO drained_calls ${listed(names)}`),
      failingTo("remember drained calls"),
    ),

    forget: Effect.fn("DrainLedger.forget")(
      (names) => Effect.asVoid(sql`DELETE FROM drained_calls WHERE spool_name IN (${listed(names)})`),
      failingTo("forget drained calls"),
    ),
  })
})
