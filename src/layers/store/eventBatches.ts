import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MADE_ID_PREFIX } from "../../domain/CallId.ts"
import { eventColumns, eventValue } from "../../domain/eventColumns.ts"
import { fromEpochMillis, type Timestamp, toEpochMillis } from "../../domain/Timestamp.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import { failingTo } from "./failingTo.ts"
import { makeInsertRows } from "./insertRows.ts"
import { foldSums, refold } from "./sums.ts"

/** The hook and the transcript tell the time of one call by clocks that differ by at most this much. */
export const CLOCK_DIFFERENCE_MILLIS = 5000

/** Inserts and removals of many events. */
export const makeEventBatches = (
  sql: SqlClient.SqlClient,
): Pick<Context.Tag.Service<UsageEvents>, "insertAll" | "removeProvisional"> => {
  const insertRows = makeInsertRows<ToolUse>(sql, {
    into: "tool_usage_events",
    columns: eventColumns,
    values: (use) => eventColumns.map((column) => eventValue(use, column)),
    onConflict: "ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING",
  })

  const state = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ last_id: Schema.Number, pruned_before: Schema.NullOr(Schema.String) }),
    execute: () => sql`
      SELECT coalesce((SELECT max(id) FROM tool_usage_events), 0) AS last_id, pruned_before FROM usage_state`,
  })

  /** The rows after a given row: some of the uses, in the same order. */
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

  const deleteProvisional = SqlSchema.findAll({
    Request: Schema.Struct({
      agent: Schema.String,
      session: Schema.String,
      since: Schema.String,
      until: Schema.String,
    }),
    Result: Schema.Struct({
      id: Schema.Number,
      tool_name: Schema.String,
      project_hash: Schema.NullOr(Schema.String),
      day: Schema.String,
    }),
    execute: ({ agent, session, since, until }) => sql`
      DELETE FROM tool_usage_events
      WHERE session_id = ${session} AND agent = ${agent} AND created_at BETWEEN ${since} AND ${until}
        AND substr(tool_use_id, 1, ${MADE_ID_PREFIX.length}) = ${MADE_ID_PREFIX}
      RETURNING id, tool_name, project_hash, substr(created_at, 1, 10) AS day`,
  })

  /** If a row's last use was removed, the one before it becomes the last. */
  const uncount = (tool: string, project: string | null, calls: number) => sql`
    UPDATE tool_registry SET usage_count = usage_count - ${calls}, last_used_at = nullif(max(
      coalesce(baseline_last_used_at, ''),
      coalesce((SELECT max(created_at) FROM tool_usage_events WHERE tool_name = ${tool} AND project_hash IS ${project}), '')), '')
    WHERE name = ${tool} AND COALESCE(project_hash, '') = COALESCE(${project}, '')`

  return {
    insertAll: Effect.fn("UsageEvents.insertAll")(function* (uses) {
      const { last_id, pruned_before } = yield* state(undefined)
      const recent = pruned_before === null ? uses : uses.filter(({ usedAt }) => usedAt >= pruned_before)
      const inserted = yield* insertRows(recent)
      yield* foldSums(sql)
      return inserted === recent.length ? recent : yield* insertedAfter(recent, last_id)
    }, failingTo("insert the events of calls")),

    removeProvisional: Effect.fn("UsageEvents.removeProvisional")(function* (shown, from = "start") {
      const sessions = new Map<string, { agent: string; session: string; first: Timestamp; last: Timestamp }>()
      for (const { agent, sessionId, usedAt } of shown) {
        if (sessionId === null) continue
        const key = JSON.stringify([agent, sessionId])
        const known = sessions.get(key)
        if (known === undefined) sessions.set(key, { agent, session: sessionId, first: usedAt, last: usedAt })
        else if (usedAt > known.last) known.last = usedAt
        else if (usedAt < known.first) known.first = usedAt
      }
      const changedSessions: Array<string> = []
      const removed = new Map<string, { tool: string; project: string | null; calls: number }>()
      const days = new Set<string>()
      for (const { agent, session, first, last } of sessions.values()) {
        const until = fromEpochMillis(toEpochMillis(last) + CLOCK_DIFFERENCE_MILLIS)
        const since = from === "start" ? "" : fromEpochMillis(toEpochMillis(first) - CLOCK_DIFFERENCE_MILLIS)
        const rows = yield* deleteProvisional({ agent, session, since, until })
        if (rows.length > 0) changedSessions.push(session)
        for (const { tool_name, project_hash, day } of rows) {
          const key = JSON.stringify([tool_name, project_hash])
          const calls = (removed.get(key)?.calls ?? 0) + 1
          removed.set(key, { tool: tool_name, project: project_hash, calls })
          days.add(day)
        }
      }
      if (removed.size === 0) return
      for (const { tool, project, calls } of removed.values()) yield* uncount(tool, project, calls)
      yield* refold(sql, [...days], changedSessions)
    }, failingTo("replace provisional calls")),
  }
}
