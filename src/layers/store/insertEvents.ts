import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { makeInsertRows, type Value } from "./insertRows.ts"

const columns = [
  ...["tool_name", "session_id", "project_hash", "success", "created_at", "tool_use_id", "duration_ms", "subagent"],
  ...["target", "server_name", "failure_kind", "duration_is_estimated"],
]

const values = (use: ToolUse): ReadonlyArray<Value> => [
  use.toolName,
  use.sessionId,
  use.projectHash,
  use.success ? 1 : 0,
  use.usedAt,
  use.toolUseId,
  use.durationMs,
  use.subagent,
  use.target,
  use.serverName,
  use.failureKind,
  use.durationIsEstimated ? 1 : 0,
]

/** The calls in their order, as runs from one source each; of one import they are all. */
function* runsOfSource(uses: ReadonlyArray<ToolUse>) {
  for (let from = 0, to = 0; from < uses.length; from = to) {
    const { agent, source } = uses[from] as ToolUse
    while (uses[to]?.agent === agent && uses[to]?.source === source) to++
    yield { agent, source, run: to - from === uses.length ? uses : uses.slice(from, to) }
  }
}

/** Inserts events and returns how many rows that made. `onConflict` is the end of each statement. */
export const makeInsertEvents = (
  sql: SqlClient.SqlClient,
  onConflict?: string,
): ((uses: ReadonlyArray<ToolUse>) => Effect.Effect<number, SqlError>) => {
  const insertRun = makeInsertRows(sql, {
    into: "tool_usage_events",
    columns,
    values,
    sharedColumns: ["agent", "source"],
    ...(onConflict === undefined ? {} : { onConflict }),
  })
  return Effect.fnUntraced(function* (uses) {
    let inserted = 0
    for (const { agent, source, run } of runsOfSource(uses)) inserted += yield* insertRun(run, [agent, source])
    return inserted
  })
}
