import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { addEventsAgain, addNewEvents, makeSums, triggers, type Written } from "./sums.ts"

const addToRollups = (sql: SqlClient.SqlClient, addEvents: typeof addNewEvents, after: number, last: number) =>
  Effect.forEach(addEvents, ({ statement, isOfRange }) => sql.unsafe(statement, isOfRange ? [after, last] : []), {
    discard: true,
  })

/** Adds the events with ids above `after`, up to `last`, to the sums that are made anew. */
export const rollUpAgain = (sql: SqlClient.SqlClient, after: number, last: number): Effect.Effect<void, SqlError> =>
  addToRollups(sql, addEventsAgain, after, last)

/** Adds the newest events, that are not added yet, to the sums. */
export const rollUpRecent = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    const [state] = yield* sql`
      SELECT rolled_to, (SELECT coalesce(max(id), 0) FROM tool_usage_events) AS last FROM rollup_state`
    const [after, last] = [Number(state?.rolled_to), Number(state?.last)]
    if (last <= after) return
    yield* addToRollups(sql, addNewEvents, after, last)
    yield* sql`UPDATE rollup_state SET rolled_to = ${last}`
  })

/** Makes the sums of all events, of which the store has none, from a table with the columns `hourSumColumns`. */
export const rollUpSums = (sql: SqlClient.SqlClient, table: string): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    yield* runAll(sql, makeSums(table))
    yield* sql`UPDATE rollup_state SET rolled_to = (SELECT coalesce(max(id), 0) FROM tool_usage_events)`
  })

const runAll = (sql: SqlClient.SqlClient, statements: ReadonlyArray<string>) =>
  Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })

/** Makes the triggers of the events, or those of them that one kind of statement starts. */
export const createTriggers = (sql: SqlClient.SqlClient, on?: Written): Effect.Effect<void, SqlError> =>
  runAll(
    sql,
    triggers.filter((trigger) => on === undefined || trigger.on === on).map(({ create }) => create),
  )

/**
 * Runs an effect without the triggers that its statements of one kind would start. To be run in a transaction: nobody else
 * ever sees the store without them. Triggers that only look away would still make each statement several times slower.
 */
export const withoutTriggers =
  (sql: SqlClient.SqlClient, on: Written) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    runAll(
      sql,
      triggers.filter((trigger) => trigger.on === on).map(({ drop }) => drop),
    ).pipe(Effect.zipRight(effect), Effect.zipLeft(createTriggers(sql, on)))
