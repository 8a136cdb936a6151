import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { countNeighbours, type SessionOrder } from "../../domain/countNeighbours.ts"
import { durationRanks } from "../../domain/durationRanks.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { ReportDimension } from "../../domain/Usage.ts"
import { CallSelection, keyIn, selected, selectedCalls } from "./callSelection.ts"

const ByDimension = Schema.typeSchema(
  Schema.Struct({ dimension: ReportDimension, selection: CallSelection, tools: Schema.Array(Schema.String) }),
)

/** A list that SQLite made, which may be of millions: to prove each of its elements would take as long as to read them. */
const listOf = <A>(json: string): ReadonlyArray<A> => JSON.parse(json)

/** One after the other: together they would take several times the memory. */
function* ordersOf(rows: Iterable<{ readonly names: string; readonly is_cut: 0 | 1 }>): Generator<SessionOrder> {
  for (const { names, is_cut } of rows) yield { names: listOf(names), isCut: is_cut === 1 }
}

/** What of a report only the calls themselves can tell. Each query goes through them once, and sorts no more than it must. */
export const makeCallQueries = (sql: SqlClient.SqlClient) => {
  const durationsAndSessions = SqlSchema.findAll({
    Request: ByDimension,
    Result: Schema.Struct({ key: Schema.String, durations: Schema.String, sessions: Schema.Number }),
    execute: ({ dimension, selection, tools }) => sql`
      SELECT ${keyIn(sql, dimension, tools)} AS key, count(DISTINCT session_id) AS sessions,
        json_group_array(duration_ms) FILTER (WHERE duration_ms IS NOT NULL) AS durations
      FROM ${selectedCalls(sql, selection)} AND key IS NOT NULL GROUP BY 1`,
  })

  /** By key: the sessions, and the median and 95th percentile of the durations that are known. */
  const details = (request: typeof ByDimension.Type) =>
    Effect.map(
      durationsAndSessions(request),
      (rows) =>
        new Map(
          rows.map(({ key, durations, sessions }) => [key, { sessions, ...durationRanks(listOf<number>(durations)) }]),
        ),
    )

  const allSessions = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ sessions: Schema.Number }),
    execute: (selection) => sql`
      SELECT count(DISTINCT session_id) AS sessions FROM ${selectedCalls(sql, selection)}`,
  })

  /**
   * For each session with selected calls, the tools of all its calls in their order, as a list in JSON; null for the selected. Of
   * a session with pruned calls, only those since then: between others there may have been one.
   */
  const ordersAround = SqlSchema.findAll({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ names: Schema.String, is_cut: Schema.Literal(0, 1) }),
    execute: (selection) => sql`
      SELECT json_group_array(iif(${selected(sql, selection)}, NULL, tool_name) ORDER BY created_at, id) AS names,
        cut.session_id IS NOT NULL AS is_cut
      FROM rollup_state CROSS JOIN tool_usage_events event LEFT JOIN pruned_sessions cut ON cut.session_id = event.session_id
      WHERE event.session_id IN (SELECT session_id FROM ${selectedCalls(sql, selection)})
        AND (cut.session_id IS NULL OR created_at >= pruned_before)
      GROUP BY event.session_id`,
  })

  const neighbours = (selection: CallSelection & { readonly tool: string }) =>
    Effect.map(ordersAround(selection), (rows) => countNeighbours(selection.tool, ordersOf(rows)))

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

  return { details, allSessions, neighbours, sessionSpan, sessionOrder }
}
