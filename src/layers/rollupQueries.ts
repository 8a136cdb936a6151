import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RollupDrift } from "../domain/Rollups.ts"
import type { UsageRollups } from "../services/UsageRollups.ts"
import { addToRollups } from "./addToRollups.ts"
import { failingTo } from "./failingTo.ts"
import { isAdded, seriesColumns } from "./rollupStatements.ts"
import { withImmediateTransaction } from "./withImmediateTransaction.ts"

/** Bounds how long a step holds the write lock; a hook may be waiting for it. */
const EVENTS_PER_STEP = 2000

/** What `UsageRollups` does. */
export const makeRollupQueries = (sql: SqlClient.SqlClient): Context.Tag.Service<UsageRollups> => {
  const inTransaction = withImmediateTransaction(sql)

  const state = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ filled_to: Schema.Number, fill_until: Schema.Number }),
    execute: () => sql`SELECT filled_to, fill_until FROM rollup_state`,
  })

  const lastOfStep = SqlSchema.single({
    Request: Schema.Struct({ filled_to: Schema.Number, fill_until: Schema.Number, events: Schema.Number }),
    Result: Schema.Struct({ last: Schema.NullOr(Schema.Number) }),
    execute: ({ filled_to, fill_until, events }) => sql`
      SELECT max(id) AS last FROM (
        SELECT id FROM tool_usage_events WHERE id > ${filled_to} AND id <= ${fill_until} ORDER BY id LIMIT ${events})`,
  })

  const fillStep = (events: number) =>
    Effect.gen(function* () {
      const { filled_to, fill_until } = yield* state(undefined)
      if (filled_to >= fill_until) return false
      const { last } = yield* lastOfStep({ filled_to, fill_until, events })
      if (last !== null) yield* addToRollups(sql, filled_to, last)
      yield* sql`UPDATE rollup_state SET filled_to = ${last ?? fill_until}`
      return last !== null && last < fill_until
    }).pipe(inTransaction)

  const series = sql.csv(seriesColumns.map((column) => sql`${sql(column)}`))
  const isSameSeries = sql.and(seriesColumns.map((column) => sql`sums.${sql(column)} IS fold.${sql(column)}`))

  const driftOf = (table: "usage_by_day" | "usage_by_hour", period: "day" | "hour", characters: number) => sql`
    SELECT coalesce(sums.${sql(period)}, fold.period) AS period, coalesce(sums.tool_name, fold.tool_name) AS tool_name,
      coalesce(sums.project_hash, fold.project_hash) AS project_hash, sums.uses, coalesce(fold.uses, 0) AS expected_uses
    FROM (SELECT * FROM ${sql(table)} JOIN usage_series ON id = series_id) sums
    FULL JOIN (
      SELECT ${series}, substr(created_at, 1, ${characters}) AS period, count(*) AS uses, max(created_at) AS last_used,
        sum(success = 0 AND failure_kind IS NOT 'interrupted') AS failures,
        sum(success = 0 AND failure_kind IS 'interrupted') AS interruptions,
        sum(coalesce(duration_ms, 0)) AS duration_ms
      FROM tool_usage_events, rollup_state WHERE ${sql.literal(isAdded("id"))}
      GROUP BY ${series}, 7) fold
    ON sums.${sql(period)} = fold.period AND ${isSameSeries}
    WHERE (sums.uses IS NOT fold.uses OR sums.failures IS NOT fold.failures OR sums.last_used IS NOT fold.last_used
        OR sums.interruptions IS NOT fold.interruptions OR sums.duration_ms IS NOT fold.duration_ms)
      AND coalesce(sums.${sql(period)}, fold.period) >= (SELECT coalesce(pruned_before, '') FROM rollup_state)`

  const drift = SqlSchema.findAll({
    Request: Schema.Void,
    Result: RollupDrift,
    execute: () => sql`
      ${driftOf("usage_by_day", "day", 10)} UNION ALL ${driftOf("usage_by_hour", "hour", 13)}
      ORDER BY period, tool_name, project_hash`,
  })

  const reset = Effect.gen(function* () {
    yield* sql`DELETE FROM usage_by_hour`
    yield* sql`DELETE FROM usage_by_day WHERE day >= (SELECT coalesce(pruned_before, '') FROM rollup_state)`
    yield* sql`
      UPDATE rollup_state SET filled_to = 0, (fill_until, rolled_to) = (
        SELECT coalesce(max(id), 0), coalesce(max(id), 0) FROM tool_usage_events)`
  }).pipe(inTransaction)

  return {
    fillStep: Effect.fn("UsageRollups.fillStep")(
      (events = EVENTS_PER_STEP) => fillStep(events),
      failingTo("sum up old events"),
    ),
    findDrift: drift(undefined).pipe(
      failingTo("compare the sums with the events"),
      Effect.withSpan("UsageRollups.findDrift"),
    ),
    reset: reset.pipe(failingTo("forget the sums"), Effect.withSpan("UsageRollups.reset")),
  }
}
