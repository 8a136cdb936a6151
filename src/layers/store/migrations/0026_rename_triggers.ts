import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/**
 * Until now triggers of other sums had the same names, and a program that knows only those could take them for its own. A later
 * migration makes the triggers.
 */
export const renameTriggers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(
    ["keep_pruned", "sums_add_recent", "sums_add_late", "sums_take_away", "sums_change"],
    (name) => sql`DROP TRIGGER IF EXISTS ${sql(name)}`,
    { discard: true },
  )
})
