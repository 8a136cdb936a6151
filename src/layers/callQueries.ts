import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Schema from "effect/Schema"
import { TimestampText } from "../domain/TimestampText.ts"
import { ReportDimension } from "../domain/Usage.ts"
import { NeighbourCount } from "../domain/UsageReport.ts"
import { CallSelection, keyIn, selectedCalls } from "./callSelection.ts"

const ByDimension = Schema.typeSchema(
  Schema.Struct({ dimension: ReportDimension, selection: CallSelection, tools: Schema.Array(Schema.String) }),
)

/** What of a report only the calls themselves can tell. */
export const makeCallQueries = (sql: SqlClient.SqlClient) => {
  /** Nearest rank: the smallest duration up to which there are at least 50, or 95, of 100 calls. */
  const durations = SqlSchema.findAll({
    Request: ByDimension,
    Result: Schema.Struct({ key: Schema.String, median_ms: Schema.Number, p95_ms: Schema.Number }),
    execute: ({ dimension, selection, tools }) => sql`
      WITH calls AS (
        SELECT ${keyIn(sql, dimension, tools)} AS key, duration_ms, count(*) AS calls
        FROM ${selectedCalls(sql, selection)} AND duration_ms IS NOT NULL GROUP BY 1, 2),
      ranked AS (
        SELECT key, duration_ms, sum(calls) OVER (PARTITION BY key ORDER BY duration_ms) AS up_to,
          sum(calls) OVER (PARTITION BY key) AS calls
        FROM calls WHERE key IS NOT NULL)
      SELECT key, min(duration_ms) FILTER (WHERE up_to * 100 >= calls * 50) AS median_ms,
        min(duration_ms) FILTER (WHERE up_to * 100 >= calls * 95) AS p95_ms
      FROM ranked GROUP BY key`,
  })

  const sessions = SqlSchema.findAll({
    Request: ByDimension,
    Result: Schema.Struct({ key: Schema.NullOr(Schema.String), sessions: Schema.Number }),
    execute: ({ dimension, selection, tools }) => sql`
      SELECT ${keyIn(sql, dimension, tools)} AS key, count(DISTINCT session_id) AS sessions
      FROM ${selectedCalls(sql, selection)} GROUP BY 1`,
  })

  const allSessions = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ sessions: Schema.Number }),
    execute: (selection) => sql`
      SELECT count(DISTINCT session_id) AS sessions FROM ${selectedCalls(sql, selection)}`,
  })

  /** The calls right before and after those of one tool, in their sessions, whatever the selection says of the others. */
  const neighbours = SqlSchema.findAll({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ place: Schema.Literal("before", "after"), ...NeighbourCount.fields }),
    execute: (selection) => sql`
      WITH asked AS (SELECT id, session_id FROM ${selectedCalls(sql, selection)}),
      ordered AS (
        SELECT id, lag(tool_name) OVER in_session AS before, lead(tool_name) OVER in_session AS after
        FROM tool_usage_events WHERE session_id IN (SELECT session_id FROM asked)
        WINDOW in_session AS (PARTITION BY session_id ORDER BY created_at, id)),
      found AS MATERIALIZED (SELECT * FROM ordered WHERE id IN (SELECT id FROM asked))
      SELECT 'before' AS place, before AS key, count(*) AS usage_count FROM found GROUP BY before
      UNION ALL
      SELECT 'after', after, count(*) FROM found GROUP BY after
      ORDER BY usage_count DESC, key`,
  })

  const sessionSpan = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({ began: Schema.NullOr(TimestampText), ended: Schema.NullOr(TimestampText) }),
    execute: (session) => sql`
      SELECT min(created_at) AS began, max(created_at) AS ended FROM tool_usage_events WHERE session_id = ${session}`,
  })

  const sessionOrder = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ tool_name: Schema.String }),
    execute: (session) => sql`
      SELECT tool_name FROM tool_usage_events WHERE session_id = ${session} ORDER BY created_at, id`,
  })

  return { durations, sessions, allSessions, neighbours, sessionSpan, sessionOrder }
}
