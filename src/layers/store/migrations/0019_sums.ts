import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  // What sets one series of calls apart from another; '' stands for NULL. Level 1 is a tool over all series, level 2 all calls.
  `CREATE TABLE usage_series (
     id INTEGER PRIMARY KEY,
     level INTEGER NOT NULL,
     tool_name TEXT NOT NULL, project_hash TEXT NOT NULL, agent TEXT NOT NULL,
     subagent TEXT NOT NULL, target TEXT NOT NULL, server_name TEXT NOT NULL)`,
  `CREATE UNIQUE INDEX idx_usage_series
   ON usage_series(tool_name, level, project_hash, agent, subagent, target, server_name)`,
  "CREATE INDEX idx_usage_series_project ON usage_series(project_hash, level)",
  "INSERT INTO usage_series VALUES (1, 2, '', '', '', '', '', '')",
  // A series has few days, so that its own lie together. The hours of a day lie together: calls of the same time change few pages.
  `CREATE TABLE usage_by_day (
     series_id INTEGER NOT NULL, day TEXT NOT NULL,
     uses INTEGER NOT NULL, failures INTEGER NOT NULL, interruptions INTEGER NOT NULL,
     duration_ms INTEGER NOT NULL, input_bytes INTEGER NOT NULL, output_bytes INTEGER NOT NULL,
     durations TEXT NOT NULL, last_used TEXT NOT NULL,
     PRIMARY KEY (series_id, day)) WITHOUT ROWID`,
  `CREATE TABLE usage_by_hour (
     day TEXT NOT NULL, series_id INTEGER NOT NULL, hour TEXT NOT NULL,
     uses INTEGER NOT NULL, failures INTEGER NOT NULL, interruptions INTEGER NOT NULL,
     duration_ms INTEGER NOT NULL, input_bytes INTEGER NOT NULL, output_bytes INTEGER NOT NULL,
     durations TEXT NOT NULL, last_used TEXT NOT NULL,
     PRIMARY KEY (day, series_id, hour)) WITHOUT ROWID`,
  `CREATE TABLE usage_by_session (
     session_id TEXT NOT NULL, series_id INTEGER NOT NULL,
     uses INTEGER NOT NULL, failures INTEGER NOT NULL,
     first_used TEXT NOT NULL, last_used TEXT NOT NULL,
     PRIMARY KEY (session_id, series_id)) WITHOUT ROWID`,
  "CREATE INDEX idx_usage_by_session_series ON usage_by_session(series_id, last_used)",
  // The sums hold the events up to rolled_to. Events before the day pruned_before are gone. Transcripts tell nothing from before history_from.
  `CREATE TABLE usage_state (
     rolled_to INTEGER NOT NULL, pruned_before TEXT, history_from TEXT)`,
  "INSERT INTO usage_state VALUES (0, NULL, NULL)",
]

export const sums = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
