import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { createRollups } from "../rollupStatements.ts"

/**
 * The sums are empty at first: what a store holds already is added in steps, so that nobody waits for all of it. The next
 * migration makes the triggers that keep them.
 */
export const addUsageRollups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(createRollups, (statement) => sql.unsafe(statement), { discard: true })
  yield* sql`
    INSERT INTO rollup_state (filled_to, fill_until)
    SELECT 0, coalesce(max(id), 0) FROM tool_usage_events`
})
