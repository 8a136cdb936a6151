import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Effect from "effect/Effect"
import type { ToolUse } from "../domain/ToolUse.ts"
import { makeInsertRows, type Value } from "./insertRows.ts"

const columns = [
  ...["tool_name", "session_id", "project_hash", "success", "created_at", "agent", "tool_use_id", "duration_ms"],
  ...["subagent", "target", "server_name", "failure_kind", "source", "duration_is_estimated"],
]

const values = (use: ToolUse): ReadonlyArray<Value> => [
  use.toolName,
  use.sessionId,
  use.projectHash,
  use.success ? 1 : 0,
  use.usedAt,
  use.agent,
  use.toolUseId,
  use.durationMs,
  use.subagent,
  use.target,
  use.serverName,
  use.failureKind,
  use.source,
  use.durationIsEstimated ? 1 : 0,
]

/** Inserts events and returns how many rows that made. `onConflict` is the end of each statement. */
export const makeInsertEvents = (
  sql: SqlClient.SqlClient,
  onConflict?: string,
): ((uses: ReadonlyArray<ToolUse>) => Effect.Effect<number, SqlError>) =>
  makeInsertRows(sql, {
    into: "tool_usage_events",
    columns,
    values,
    ...(onConflict === undefined ? {} : { onConflict }),
  })
