import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../domain/ToolUse.ts"
import type { UsageEvents } from "../services/UsageEvents.ts"
import { rollUpRecent, withoutTriggers } from "./addToRollups.ts"
import { failingTo } from "./failingTo.ts"
import { makeInsertEvents } from "./insertEvents.ts"

const UNLESS_KNOWN = " ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING"

/** Writes of many events. */
export const makeUsageBatches = (sql: SqlClient.SqlClient): Pick<Context.Tag.Service<UsageEvents>, "insertAll"> => {
  const insertEvents = makeInsertEvents(sql, UNLESS_KNOWN)

  /** The rows that came after a row, which are some of the uses and in the same order. */
  const insertedAfter = (uses: ReadonlyArray<ToolUse>, lastId: number): Effect.Effect<Array<ToolUse>, SqlError> =>
    Effect.map(sql`SELECT agent, tool_use_id FROM tool_usage_events WHERE id > ${lastId} ORDER BY id`, (rows) => {
      let next = 0
      return uses.filter(({ agent, toolUseId }) => {
        const row = rows[next]
        const isInserted = row !== undefined && row.tool_use_id === toolUseId && row.agent === agent
        if (isInserted) next++
        return isInserted
      })
    })

  const state = Effect.map(
    sql`
      SELECT coalesce(max(id), 0) AS id, (SELECT pruned_before FROM rollup_state) AS pruned_before FROM tool_usage_events`,
    ([row]) => ({ lastId: Number(row?.id), prunedBefore: String(row?.pruned_before ?? "") }),
  )

  return {
    insertAll: Effect.fn("UsageEvents.insertAll")(function* (uses) {
      const { lastId, prunedBefore } = yield* state
      const unpruned = prunedBefore === "" ? uses : uses.filter(({ usedAt }) => usedAt >= prunedBefore)
      const inserted = yield* withoutTriggers(sql, "INSERT")(insertEvents(unpruned))
      yield* rollUpRecent(sql)
      return inserted === unpruned.length ? unpruned : yield* insertedAfter(unpruned, lastId)
    }, failingTo("insert the events of calls")),
  }
}
