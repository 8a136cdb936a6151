import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/**
 * Runs an effect in a transaction that holds the write lock from its first statement on. `sql.withTransaction` begins
 * deferred: where it reads first and writes later, a second writer makes it fail at once, whatever the busy timeout. BEGIN
 * IMMEDIATE is issued while the connection is acquired, because a BEGIN that fails later is a defect. A
 * `sql.withTransaction` inside becomes a savepoint.
 */
export const withImmediateTransaction = (
  sql: SqlClient.SqlClient,
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>) =>
  SqlClient.makeWithTransaction({
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
    rollback: (connection) => connection.executeUnprepared("ROLLBACK", [], undefined),
    rollbackSavepoint: (connection, id) =>
      connection.executeUnprepared(`ROLLBACK TO SAVEPOINT tooltrail_${id}`, [], undefined),
  })
