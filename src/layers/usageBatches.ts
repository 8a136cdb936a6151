import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../domain/ToolUse.ts"
import type { UsageEvents } from "../services/UsageEvents.ts"
import { addToRollups, withoutTriggers } from "./addToRollups.ts"
import { failingTo } from "./failingTo.ts"

const COLUMNS = [
  [
    "tool_name",
    "session_id",
    "project_hash",
    "success",
    "created_at",
    "agent",
    "tool_use_id",
    "duration_ms",
    "subagent",
  ],
  ["target", "server_name", "failure_kind", "source", "duration_is_estimated"],
].flat()

/** Rows of one statement. More make it no faster. */
const SIZES = [100, 10, 1] as const

const row = `(${COLUMNS.map(() => "?").join(", ")})`

/**
 * In a transaction of many rows there is nothing to go back to but its beginning. `OR FAIL` says so, and spares SQLite a
 * journal of each statement's pages in a temporary file.
 */
const insertRows = (rows: number): string => `
  INSERT OR FAIL INTO tool_usage_events (${COLUMNS.join(", ")}) VALUES ${Array.from({ length: rows }, () => row).join(", ")}
  ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING`

const statements = new Map<number, string>(SIZES.map((rows) => [rows, insertRows(rows)]))

const parameters = (
  uses: ReadonlyArray<ToolUse>,
  from: number,
  rows: number,
): ReadonlyArray<string | number | null> => {
  const values = new Array<string | number | null>(rows * COLUMNS.length)
  let at = 0
  for (let n = from; n < from + rows; n++) {
    const use = uses[n] as ToolUse
    values[at++] = use.toolName
    values[at++] = use.sessionId
    values[at++] = use.projectHash
    values[at++] = use.success ? 1 : 0
    values[at++] = use.usedAt
    values[at++] = use.agent
    values[at++] = use.toolUseId
    values[at++] = use.durationMs
    values[at++] = use.subagent
    values[at++] = use.target
    values[at++] = use.serverName
    values[at++] = use.failureKind
    values[at++] = use.source
    values[at++] = use.durationIsEstimated ? 1 : 0
  }
  return values
}

/** Writes of many events. */
export const makeUsageBatches = (sql: SqlClient.SqlClient): Pick<Context.Tag.Service<UsageEvents>, "insertAll"> => {
  /** Returns how many rows it inserted. */
  const insertSome = (uses: ReadonlyArray<ToolUse>, from: number, rows: number): Effect.Effect<number, SqlError> =>
    Effect.map(
      sql.unsafe(statements.get(rows) ?? insertRows(rows), parameters(uses, from, rows)).raw,
      (result) => (result as { readonly changes: number }).changes,
    )

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

  const insertInStatements = Effect.fnUntraced(function* (uses: ReadonlyArray<ToolUse>) {
    let inserted = 0
    let done = 0
    for (const rows of SIZES) {
      for (; done + rows <= uses.length; done += rows) inserted += yield* insertSome(uses, done, rows)
    }
    return inserted
  })

  const lastId = Effect.map(sql`SELECT COALESCE(max(id), 0) AS id FROM tool_usage_events`, ([row]) => Number(row?.id))

  return {
    insertAll: Effect.fn("UsageEvents.insertAll")(function* (uses) {
      const before = yield* lastId
      const inserted = yield* withoutTriggers(sql)(insertInStatements(uses))
      yield* addToRollups(sql, before, yield* lastId)
      return inserted === uses.length ? uses : yield* insertedAfter(uses, before)
    }, failingTo("insert the events of calls")),
  }
}
