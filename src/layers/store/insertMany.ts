import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ToolUse } from "../../domain/ToolUse.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
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

  const readState = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({
      last_id: Schema.Number,
      has_pruned: Schema.Literal(0, 1),
      forgotten_before: Schema.NullOr(Schema.String),
    }),
    execute: () => sql`
      SELECT coalesce((SELECT max(id) FROM tool_usage_events), 0) AS last_id,
        pruned_before IS NOT NULL AS has_pruned, forgotten_before
      FROM rollup_state`,
  })

  const findPruned = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ place: Schema.Number }),
    execute: (calls) => sql`
      SELECT call.key AS place FROM json_each(${calls}) call
      CROSS JOIN pruned_calls ON tool_use_id = call.value ->> 1 AND agent = call.value ->> 0`,
  })

  /** As the trigger keeps them, which is away meanwhile. */
  const withoutPruned = (uses: ReadonlyArray<ToolUse>, forgottenBefore: string) => {
    const names = JSON.stringify(uses.map(({ agent, toolUseId }) => [agent, toolUseId]))
    return Effect.map(findPruned(names), (found) => {
      const pruned = new Set(found.map(({ place }) => place))
      return uses.filter(({ usedAt }, place) => usedAt >= forgottenBefore && !pruned.has(place))
    })
  }

  return {
    insertAll: Effect.fn("UsageEvents.insertAll")(function* (uses) {
      const { last_id, has_pruned, forgotten_before } = yield* readState(undefined)
      const unpruned = has_pruned === 1 ? yield* withoutPruned(uses, forgotten_before ?? "") : uses
      const inserted = yield* withoutTriggers(sql, "INSERT")(insertEvents(unpruned))
      yield* rollUpRecent(sql)
      return inserted === unpruned.length ? unpruned : yield* insertedAfter(unpruned, last_id)
    }, failingTo("insert the events of calls")),
  }
}
