import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { createSums, sumColumns } from "../rollupTables.ts"

/**
 * Until now the sums by hour lay by series, so that calls of the same time changed a page for each of their series. What a
 * store holds is added anew in steps, so that nobody waits for all of it; the sums of pruned days stay. A later migration makes
 * the triggers.
 */
export const clusterHoursByDay = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(
    ["keep_pruned", "roll_up_recent", "roll_up_late", "roll_back_event", "roll_over_event"],
    (name) => sql`DROP TRIGGER IF EXISTS ${sql(name)}`,
    { discard: true },
  )
  yield* sql`DROP TABLE usage_by_hour`
  yield* sql.unsafe(createSums({ table: "usage_by_hour", key: ["day", "series_id", "hour"], sums: sumColumns }))
  yield* sql`DELETE FROM usage_by_day WHERE day >= (SELECT coalesce(pruned_before, '') FROM rollup_state)`
  yield* sql`UPDATE rollup_state SET filled_to = 0, fill_until = rolled_to`
})
