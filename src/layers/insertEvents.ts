import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../domain/ToolUse.ts"

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
const insertRows = (rows: number): string =>
  `INSERT OR FAIL INTO tool_usage_events (${COLUMNS.join(", ")}) VALUES ${Array.from({ length: rows }, () => row).join(", ")}`

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

/**
 * Inserts events, many with each statement, and returns how many rows that made. `onConflict` is the end of each statement.
 */
export const makeInsertEvents = (
  sql: SqlClient.SqlClient,
  onConflict = "",
): ((uses: ReadonlyArray<ToolUse>) => Effect.Effect<number, SqlError>) => {
  const statements = SIZES.map((rows) => ({ rows, statement: insertRows(rows) + onConflict }))
  return Effect.fnUntraced(function* (uses) {
    let inserted = 0
    let done = 0
    for (const { rows, statement } of statements) {
      for (; done + rows <= uses.length; done += rows) {
        const result = yield* sql.unsafe(statement, parameters(uses, done, rows)).raw
        inserted += (result as { readonly changes: number }).changes
      }
    }
    return inserted
  })
}
