import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { addEventsToRollups } from "./rollupStatements.ts"

/** Adds the events with ids above `after`, up to `last`, to the sums. */
export const addToRollups = (sql: SqlClient.SqlClient, after: number, last: number): Effect.Effect<void, SqlError> =>
  Effect.forEach(addEventsToRollups, (statement) => sql.unsafe(statement, [after, last]), { discard: true })

/**
 * Runs an effect whose statements the triggers leave alone. To be run in a transaction, so that nobody else's events go past
 * the sums.
 */
export const withoutRollups =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    sql`UPDATE rollup_state SET is_paused = 1`.pipe(
      Effect.zipRight(effect),
      Effect.zipLeft(sql`UPDATE rollup_state SET is_paused = 0`),
    )
