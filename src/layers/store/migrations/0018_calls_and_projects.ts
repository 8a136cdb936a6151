import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  "ALTER TABLE tool_usage_events ADD COLUMN agent TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN tool_use_id TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN duration_ms INTEGER",
  "ALTER TABLE tool_usage_events ADD COLUMN duration_is_estimated INTEGER",
  "ALTER TABLE tool_usage_events ADD COLUMN subagent TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN target TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN server_name TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN failure_kind TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN source TEXT",
  "ALTER TABLE tool_usage_events ADD COLUMN input_bytes INTEGER",
  "ALTER TABLE tool_usage_events ADD COLUMN output_bytes INTEGER",
  `CREATE UNIQUE INDEX idx_tool_usage_events_tool_use
   ON tool_usage_events(agent, tool_use_id) WHERE tool_use_id IS NOT NULL`,
  // What the aggregate counts beyond the events: uses without an event, pruned calls, and counts from another program.
  "ALTER TABLE tool_registry ADD COLUMN baseline_count INTEGER",
  "ALTER TABLE tool_registry ADD COLUMN baseline_last_used_at TEXT",
  `CREATE TABLE projects (
     project_hash TEXT PRIMARY KEY NOT NULL,
     root TEXT NOT NULL, name TEXT NOT NULL,
     first_seen TEXT NOT NULL, last_seen TEXT NOT NULL)`,
  // How far each transcript was read, and what is needed to read on from there.
  `CREATE TABLE transcript_files (
     path TEXT PRIMARY KEY NOT NULL,
     size INTEGER NOT NULL, modified_at INTEGER NOT NULL,
     read_bytes INTEGER NOT NULL, read_lines INTEGER NOT NULL,
     fingerprint TEXT NOT NULL, carried TEXT NOT NULL) WITHOUT ROWID`,
  // What baselines hold of another program's counts, so that importing them again adds only what is new.
  `CREATE TABLE imported_baselines (
     origin TEXT NOT NULL, name TEXT NOT NULL, project_hash TEXT NOT NULL,
     count INTEGER NOT NULL, last_used_at TEXT,
     PRIMARY KEY (origin, name, project_hash)) WITHOUT ROWID`,
]

export const callsAndProjects = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
