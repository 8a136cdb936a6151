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

  const lastId = Effect.map(sql`SELECT COALESCE(max(id), 0) AS id FROM tool_usage_events`, ([row]) => Number(row?.id))

  return {
    insertAll: Effect.fn("UsageEvents.insertAll")(function* (uses) {
      const before = yield* lastId
      const inserted = yield* withoutTriggers(sql, "INSERT")(insertEvents(uses))
      yield* rollUpRecent(sql)
      return inserted === uses.length ? uses : yield* insertedAfter(uses, before)
    }, failingTo("insert the events of calls")),
  }
}
