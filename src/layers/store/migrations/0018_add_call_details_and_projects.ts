import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const details = [
  "agent TEXT",
  "tool_use_id TEXT",
  "duration_ms INTEGER",
  "subagent TEXT",
  "target TEXT",
  "server_name TEXT",
  "failure_kind TEXT",
  "source TEXT",
] as const

export const addCallDetailsAndProjects = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(details, (column) => sql`ALTER TABLE tool_usage_events ADD COLUMN ${sql.literal(column)}`, {
    discard: true,
  })
  yield* sql`
    CREATE UNIQUE INDEX idx_tool_usage_events_tool_use
    ON tool_usage_events(agent, tool_use_id) WHERE tool_use_id IS NOT NULL`
  yield* sql`
    CREATE TABLE projects (
      project_hash TEXT PRIMARY KEY NOT NULL,
      root TEXT NOT NULL, name TEXT NOT NULL,
      first_seen TEXT NOT NULL, last_seen TEXT NOT NULL)`
})
