import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { createTriggers } from "../addToRollups.ts"

/**
 * Until now every call from before the day up to which calls are pruned was taken for one of those, also one that nobody had
 * recorded. Of what is pruned from now on the ids are kept; of what was, nobody knows them, and its time stays as it was.
 */
export const rememberPrunedCalls = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // First, because SQLite goes through all triggers for each column that is added.
  yield* Effect.forEach(
    ["keep_pruned", "sums_add_recent", "sums_add_late", "sums_take_away", "sums_change"],
    (name) => sql`DROP TRIGGER IF EXISTS ${sql(`${name}_26`)}`,
    { discard: true },
  )
  yield* sql`
    CREATE TABLE pruned_calls (
      tool_use_id TEXT NOT NULL, agent TEXT NOT NULL, PRIMARY KEY (tool_use_id, agent)) WITHOUT ROWID`
  yield* sql`CREATE TABLE pruned_sessions (session_id TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID`
  yield* sql`ALTER TABLE tool_registry ADD COLUMN pruned_count INTEGER`
  yield* sql`ALTER TABLE tool_registry ADD COLUMN pruned_last_used_at TEXT`
  yield* sql`ALTER TABLE rollup_state ADD COLUMN forgotten_before TEXT`
  // The day was noted as well where there was nothing to prune.
  yield* sql`
    UPDATE rollup_state SET pruned_before = NULL
    WHERE NOT EXISTS (SELECT 1 FROM usage_by_day WHERE day < pruned_before)`
  yield* sql`UPDATE rollup_state SET forgotten_before = pruned_before`
  yield* createTriggers(sql)
})
