import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AllProjects, ProjectSelection } from "../../domain/Project.ts"
import { BinUnit, binCharacters } from "../../domain/ReportSpan.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { TrendPoint, TrendUnit } from "../../domain/Trend.ts"
import { ReportDimension } from "../../domain/Usage.ts"
import { KeyCount, mostFirst, SumCell } from "../../domain/UsageReport.ts"
import { CallSelection, columnOf, everyProject, keyIn, ofProject } from "./callSelection.ts"
import { usageSums } from "./usageSums.ts"
import { windowSums } from "./windowSums.ts"

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
      SELECT ${keyIn(sql, dimension, [], "at")} AS key, at >= ${windowFrom} AS in_window,
        substr(at, 1, ${binCharacters[unit]}) AS bin, sum(uses) AS usage_count, sum(failures) AS failures,
        sum(interruptions) AS interruptions, max(last_used) AS last_used
      FROM (${usageSums(sql, selection, { cuts: [windowFrom], finest: unit })})
      GROUP BY 1, 2, 3 HAVING sum(uses) > 0`,
  })

  /** The days, in UTC, on which there were calls. */
  const days = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ days: Schema.Number }),
    execute: (selection) => sql`
      SELECT count(*) AS days FROM (
        SELECT 1 FROM (${usageSums(sql, selection)}) GROUP BY substr(at, 1, 10) HAVING sum(uses) > 0)`,
  })

  const readCounts = SqlSchema.findAll({
    Request: Schema.typeSchema(
      Schema.Struct({
        dimension: ReportDimension.pipe(Schema.pickLiteral("project", "subagent", "target")),
        selection: CallSelection,
      }),
    ),
    Result: KeyCount,
    execute: ({ dimension, selection }) => {
      const column = columnOf[dimension]
      return sql`
        SELECT ${sql(column)} AS key, sum(uses) AS usage_count FROM (${windowSums(sql, selection, column)})
        WHERE ${sql(column)} IS NOT NULL
        GROUP BY 1 HAVING sum(uses) > 0`
    },
  })
  const counts = (request: Parameters<typeof readCounts>[0]) =>
    Effect.map(readCounts(request), (rows) => rows.toSorted(mostFirst))

  /** Project by project, by the index on time within each, so that not every call is looked at. */
  const first = SqlSchema.single({
    Request: Schema.typeSchema(ProjectSelection),
    Result: Schema.Struct({ first: Schema.NullOr(TimestampText) }),
    execute: (project) =>
      project === AllProjects
        ? sql`
            SELECT min((SELECT min(created_at) FROM tool_usage_events WHERE project_hash IS hash)) AS first
            FROM ${everyProject(sql)}`
        : sql`SELECT min(created_at) AS first FROM tool_usage_events WHERE project_hash IS ${project}`,
  })

  /**
   * Of a pruned day each series knows its last use, unless that was deleted by hand. On the first of all days the tool of the
   * first call was discovered by it.
   */
  const firstPruned = SqlSchema.single({
    Request: Schema.typeSchema(ProjectSelection),
    Result: Schema.Struct({ first: Schema.NullOr(TimestampText) }),
    execute: (project) => sql`
      SELECT min(last, coalesce((
        SELECT min(discovered_at) FROM tool_registry
        WHERE ${ofProject(sql, project)} AND discovered_at >= substr(last, 1, 10) AND usage_count > coalesce(baseline_count, 0)), last)) AS first
      FROM (
        SELECT min((SELECT last_used FROM usage_by_day WHERE series_id = id AND last_used <> '' ORDER BY day LIMIT 1)) AS last
        FROM usage_series WHERE ${ofProject(sql, project)})`,
  })

  /** Whether a call is recorded in a stretch of time, whose end does not belong to it, in any project. */
  const anyCall = SqlSchema.single({
    Request: Schema.typeSchema(Schema.Struct({ from: TimestampText, until: TimestampText })),
    Result: Schema.Struct({ is_there: Schema.Number }),
    execute: ({ from, until }) => sql`
      SELECT EXISTS (
        SELECT 1 FROM ${everyProject(sql)}
        CROSS JOIN tool_usage_events ON project_hash IS hash AND created_at >= ${from} AND created_at < ${until}) AS is_there`,
  })

  const beginOfUnit = {
    day: sql`substr(at, 1, 10)`,
    week: sql`date(at, '-6 days', 'weekday 1')`,
    month: sql`substr(at, 1, 7) || '-01'`,
  }

  const trend = SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ selection: CallSelection, unit: TrendUnit })),
    Result: TrendPoint,
    execute: ({ selection, unit }) => sql`
      SELECT ${beginOfUnit[unit]} AS "from", sum(uses) AS usage_count, sum(failures) AS failures,
        sum(interruptions) AS interruptions
      FROM (${usageSums(sql, selection)}) GROUP BY 1 HAVING sum(uses) > 0 ORDER BY 1`,
  })

  return { trend, cells, days, counts, first, firstPruned, anyCall }
}
