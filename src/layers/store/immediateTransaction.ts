import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Transaction } from "../../services/Transaction.ts"
import { failingTo } from "./failingTo.ts"

/** If the disk is full, SQLite may have rolled back by itself. */
const isRolledBack = ({ cause }: SqlError) => cause instanceof Error && /no transaction is active/.test(cause.message)

/**
 * Runs an effect in a transaction that holds the write lock from its first statement on. `sql.withTransaction` begins
 * deferred: if it reads first and writes later, a second writer makes it fail at once, whatever the busy timeout. BEGIN
 * IMMEDIATE is issued while the connection is acquired, because a BEGIN that fails later is a defect. So is a COMMIT that
 * fails, as on a full disk, which is made a failure again. A `sql.withTransaction` inside becomes a savepoint.
 */
export const withImmediateTransaction = (
  sql: SqlClient.SqlClient,
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>) => {
  const inTransaction = SqlClient.makeWithTransaction({
    transactionTag: SqlClient.TransactionConnection,
    spanAttributes: [],
    acquireConnection: Effect.flatMap(Scope.make(), (scope) =>
      Scope.extend(sql.reserve, scope).pipe(
        Effect.tap((connection) => connection.executeUnprepared("BEGIN IMMEDIATE", [], undefined)),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.map((connection) => [scope, connection] as const),
      ),
    ),
    begin: () => Effect.void,
    savepoint: (connection, id) => connection.executeUnprepared(`SAVEPOINT tooltrail_${id}`, [], undefined),
    commit: (connection) => connection.executeUnprepared("COMMIT", [], undefined),
    rollback: (connection) =>
      Effect.catchIf(connection.executeUnprepared("ROLLBACK", [], undefined), isRolledBack, () => Effect.void),
    rollbackSavepoint: (connection, id) =>
      connection.executeUnprepared(`ROLLBACK TO SAVEPOINT tooltrail_${id}`, [], undefined),
  })
  return (effect) =>
    Effect.catchSomeDefect(inTransaction(effect), (defect) =>
      defect instanceof SqlError ? Option.some(Effect.fail(defect)) : Option.none(),
    )
}

export const makeTransaction = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const inTransaction = withImmediateTransaction(sql)
  return Transaction.of({
    atomically: (effect) =>
      inTransaction(effect).pipe(
        Effect.catchIf(
          (error) => error instanceof SqlError,
          (error) => failingTo("write to the store")(Effect.fail(error)),
        ),
      ),
  })
})

/** `Transaction` over an open database. */
export const TransactionSql: Layer.Layer<Transaction, never, SqlClient.SqlClient> = Layer.effect(
  Transaction,
  makeTransaction,
)
