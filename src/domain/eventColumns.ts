import type { ToolUse } from "./ToolUse.ts"

/** The columns of `tool_usage_events` that hold a call, and the fields they hold. An export has the same names. */
export const fieldsByColumn = {
  tool_name: "toolName",
  session_id: "sessionId",
  project_hash: "projectHash",
  success: "success",
  created_at: "usedAt",
  agent: "agent",
  tool_use_id: "toolUseId",
  duration_ms: "durationMs",
  duration_is_estimated: "durationIsEstimated",
  subagent: "subagent",
  target: "target",
  server_name: "serverName",
  failure_kind: "failureKind",
  source: "source",
  input_bytes: "inputBytes",
  output_bytes: "outputBytes",
} as const satisfies Record<string, keyof ToolUse>

export type EventColumn = keyof typeof fieldsByColumn

export const eventColumns = Object.keys(fieldsByColumn) as ReadonlyArray<EventColumn>

/** What a call's row has in a column. */
export const eventValue = (use: ToolUse, column: EventColumn): string | number | null => {
  const value = use[fieldsByColumn[column]]
  return typeof value === "boolean" ? Number(value) : value
}
