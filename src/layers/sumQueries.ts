import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Schema from "effect/Schema"
import { ProjectSelection } from "../domain/Project.ts"
import { BinUnit, binCharacters } from "../domain/ReportSpan.ts"
import { TimestampText } from "../domain/TimestampText.ts"
import { ReportDimension } from "../domain/Usage.ts"
import { KeyCount, SumCell } from "../domain/UsageReport.ts"
import { CallSelection, keyIn, ofProject, selected } from "./callSelection.ts"

/** The sums of reports: what can be added up, and so told from sums as well as from the events. */
export const makeSumQueries = (sql: SqlClient.SqlClient) => {
  /** By key and bin, within a window that begins at `windowFrom` and in what the selection holds before it. */
  const cells = SqlSchema.findAll({
    Request: Schema.typeSchema(
      Schema.Struct({
        dimension: ReportDimension,
        selection: CallSelection,
        windowFrom: TimestampText,
        unit: BinUnit,
      }),
    ),
    Result: SumCell,
    execute: ({ dimension, selection, windowFrom, unit }) => sql`
      SELECT ${keyIn(sql, dimension, [])} AS key, created_at >= ${windowFrom} AS in_window,
        substr(created_at, 1, ${binCharacters[unit]}) AS bin, count(*) AS usage_count,
        sum(success = 0 AND failure_kind IS NOT 'interrupted') AS failures,
        sum(success = 0 AND failure_kind IS 'interrupted') AS interruptions,
        max(created_at) AS last_used
      FROM tool_usage_events WHERE ${selected(sql, selection)}
      GROUP BY 1, 2, 3`,
  })

  const counts = SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ dimension: ReportDimension, selection: CallSelection })),
    Result: KeyCount,
    execute: ({ dimension, selection }) => {
      const key = keyIn(sql, dimension, [])
      return sql`
        SELECT ${key} AS key, count(*) AS usage_count FROM tool_usage_events
        WHERE ${key} IS NOT NULL AND ${selected(sql, selection)}
        GROUP BY 1 ORDER BY usage_count DESC, key`
    },
  })

  /** By way of the registry, which knows every project there are calls of, so that not every call is looked at. */
  const first = SqlSchema.single({
    Request: Schema.typeSchema(ProjectSelection),
    Result: Schema.Struct({ first: Schema.NullOr(TimestampText) }),
    execute: (project) => sql`
      SELECT min((SELECT min(created_at) FROM tool_usage_events WHERE project_hash IS known.project_hash)) AS first
      FROM (SELECT DISTINCT project_hash FROM tool_registry WHERE ${ofProject(sql, project)}) AS known`,
  })

  return { cells, counts, first }
}
