import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const createToolRegistry = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE tool_registry (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL, tool_type TEXT NOT NULL, scope TEXT NOT NULL, source TEXT NOT NULL,
      project_hash TEXT, description TEXT, server_name TEXT,
      usage_count INTEGER NOT NULL DEFAULT 0, last_used_at TEXT,
      discovered_at TEXT NOT NULL DEFAULT (datetime('now')),
      updated_at TEXT NOT NULL DEFAULT (datetime('now')))`
  yield* sql`CREATE UNIQUE INDEX idx_tool_registry_name_project ON tool_registry(name, COALESCE(project_hash, ''))`
  yield* sql`CREATE INDEX idx_tool_registry_scope ON tool_registry(scope)`
  yield* sql`CREATE INDEX idx_tool_registry_project ON tool_registry(project_hash) WHERE project_hash IS NOT NULL`
  yield* sql`CREATE INDEX idx_tool_registry_usage ON tool_registry(usage_count DESC, last_used_at DESC)`
})
