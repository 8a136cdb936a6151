import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import { AllProjects } from "../../domain/Project.ts"
import { type CallSelection, selected } from "./callSelection.ts"

/** What rows of calls show, and what rows are grouped by. */
export interface RowShape {
  /** `sign` is empty, or a minus for calls that are to be taken away. */
  readonly ofCalls: (at: Statement.Fragment, sign: Statement.Fragment) => Statement.Fragment
  readonly groupSums: Statement.Fragment
  readonly groupCalls: Statement.Fragment
}

export const isFailure = (sql: SqlClient.SqlClient) => sql`(success = 0 AND failure_kind IS NOT 'interrupted')`
export const isInterruption = (sql: SqlClient.SqlClient) => sql`(success = 0 AND failure_kind IS 'interrupted')`

export const plus = (sql: SqlClient.SqlClient) => sql``
export const minus = (sql: SqlClient.SqlClient) => sql`-`

/** What a table of the selected calls is put together from: sums of periods, and single calls where those do not reach. */
export const makeSumParts = (
  sql: SqlClient.SqlClient,
  selection: CallSelection,
  { ofCalls, groupSums, groupCalls }: RowShape,
) => {
  const { project, tool } = selection
  const isFilled = sql`filled_to >= fill_until`
  const ofSelection = selected(sql, { project, tool })
  // Over all projects, the index on project and time is used once for each of them.
  const isOfEveryProject = project === AllProjects && tool === undefined
  const call = ofCalls(sql`created_at`, plus(sql))

  return {
    isOfEveryProject,

    /** The sums of the periods in a range; `isKnown` says of which there are some even while old events are still to be added. */
    sums: (
      period: "day" | "hour",
      shown: Statement.Fragment,
      range: Statement.Fragment,
      {
        source = sql`usage_series series CROSS JOIN ${sql(`usage_by_${period}`)}`,
        isKnown = sql`0`,
      }: { readonly source?: Statement.Fragment; readonly isKnown?: Statement.Fragment } = {},
    ) =>
      // Joined, rollup_state would make SQLite sort for the groups: it does not know that there is one row.
      sql`
        SELECT ${shown}
        FROM ${source} ON series_id = series.id AND ${range}
        WHERE ((SELECT ${isFilled} FROM rollup_state) OR ${isKnown}) AND ${ofSelection} ${groupSums}`,

    /** The days that are known by their sum only, and so left out of what is told from the calls. */
    isPruned: sql`day < (SELECT pruned_before FROM rollup_state)`,

    /** The calls that sums hold, from `begin` until `end`, which does not belong to them. */
    calls: (shown: Statement.Fragment, begin: string, end: string) => sql`
      SELECT ${shown} FROM rollup_state
      ${isOfEveryProject ? sql`CROSS JOIN (SELECT DISTINCT project_hash AS known FROM usage_series)` : sql``}
      CROSS JOIN tool_usage_events
      WHERE ${isFilled} AND ${isOfEveryProject ? sql`project_hash IS known` : ofSelection}
        AND created_at >= ${begin} AND created_at < ${end} AND id <= rolled_to ${groupCalls}`,

    /** The calls that no sum holds yet: the newest, and all of them while old events are still to be added. */
    // The sign keeps SQLite from another index than that of the ids, and from the other of two bounds.
    notSummed: [
      sql`
        SELECT ${call} FROM rollup_state CROSS JOIN tool_usage_events
        WHERE ${isFilled} AND id > rolled_to AND +(${selected(sql, selection)}) ${groupCalls}`,
      sql`
        SELECT ${call} FROM rollup_state CROSS JOIN tool_usage_events
        WHERE NOT (${isFilled}) AND (+created_at >= coalesce(pruned_before, '') OR id > rolled_to) AND ${selected(sql, selection)} ${groupCalls}`,
    ],
  }
}

export const together = (sql: SqlClient.SqlClient, parts: ReadonlyArray<Statement.Fragment>): Statement.Fragment =>
  parts.reduce((left, right) => sql`${left} UNION ALL ${right}`)
