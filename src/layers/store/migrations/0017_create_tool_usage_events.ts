import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const createToolUsageEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE tool_usage_events (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      tool_name TEXT NOT NULL, session_id TEXT, project_hash TEXT,
      success INTEGER NOT NULL DEFAULT 1,
      created_at TEXT NOT NULL DEFAULT (datetime('now')))`
  yield* sql`CREATE INDEX idx_tool_usage_events_tool ON tool_usage_events(tool_name, created_at DESC)`
  yield* sql`
    CREATE INDEX idx_tool_usage_events_session ON tool_usage_events(session_id) WHERE session_id IS NOT NULL`
  yield* sql`
    CREATE INDEX idx_tool_usage_events_project_time ON tool_usage_events(project_hash, created_at DESC)`
})
