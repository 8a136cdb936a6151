import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { byDay, byHour, createSums, sumColumns } from "../rollupTables.ts"

/**
 * Until now the sums did not know what there was before the cuts of their periods. What a store holds is added anew in steps,
 * so that nobody waits for all of it; the sums of pruned days stay, and nobody asks for a part of those. A later migration makes the
 * triggers.
 */
export const cutSums = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(
    ["keep_pruned", "sums_add_recent", "sums_add_late", "sums_take_away", "sums_change"],
    (name) => sql`DROP TRIGGER IF EXISTS ${sql(name)}`,
    { discard: true },
  )
  yield* sql`DROP TABLE usage_by_hour`
  yield* sql.unsafe(createSums(byHour))
  yield* sql`DELETE FROM usage_by_day WHERE day >= (SELECT coalesce(pruned_before, '') FROM rollup_state)`
  const added = byDay.sums.filter((column) => !sumColumns.includes(column))
  yield* Effect.forEach(
    added,
    (column) => sql.unsafe(`ALTER TABLE usage_by_day ADD COLUMN ${column} INTEGER NOT NULL DEFAULT 0`),
    { discard: true },
  )
  yield* sql`UPDATE rollup_state SET filled_to = 0, fill_until = rolled_to`
})
