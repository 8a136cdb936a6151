import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { seriesColumns, sumColumns } from "../rollupTables.ts"

const createTables = [
  `CREATE TABLE usage_series (id INTEGER PRIMARY KEY, ${seriesColumns.map((name) => `${name} TEXT`).join(", ")})`,
  `CREATE INDEX idx_usage_series_tool ON usage_series(${seriesColumns.join(", ")})`,
  "CREATE INDEX idx_usage_series_project ON usage_series(project_hash)",
  ...["hour", "day"].map(
    (period) => `
      CREATE TABLE usage_by_${period} (
        series_id INTEGER NOT NULL, ${period} TEXT NOT NULL, last_used TEXT NOT NULL,
        ${sumColumns.map((column) => `${column} INTEGER NOT NULL`).join(", ")},
        PRIMARY KEY (series_id, ${period})) WITHOUT ROWID`,
  ),
  "CREATE TABLE rollup_state (filled_to INTEGER NOT NULL, fill_until INTEGER NOT NULL, pruned_before TEXT)",
]

/**
 * The sums are empty at first: what a store holds already is added in steps, so that nobody waits for all of it. A later
 * migration makes the triggers that keep them.
 */
export const addUsageRollups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(createTables, (statement) => sql.unsafe(statement), { discard: true })
  yield* sql`
    INSERT INTO rollup_state (filled_to, fill_until)
    SELECT 0, coalesce(max(id), 0) FROM tool_usage_events`
})
