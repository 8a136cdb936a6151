import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RollupDrift } from "../../domain/Rollups.ts"
import type { UsageRollups } from "../../services/StoreUpkeep.ts"
import { rollUpAgain, rollUpRecent } from "./addToRollups.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"
import { byDay, byHour, type Period } from "./rollupTables.ts"
import { isAdded, isOfSeries, sharesOfAll } from "./sums.ts"

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
      if (last !== null) yield* rollUpAgain(sql, filled_to, last)
      yield* sql`UPDATE rollup_state SET filled_to = ${last ?? fill_until}`
      return last !== null && last < fill_until
    }).pipe(inTransaction)

  const unfilled = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ events: Schema.Number }),
    execute: () => sql`
      SELECT count(*) AS events FROM rollup_state CROSS JOIN tool_usage_events
      WHERE id > filled_to AND id <= fill_until AND created_at >= coalesce(pruned_before, '')`,
  })

  const kept = (column: string) => sql`max(${sql(column)}) FILTER (WHERE is_sum)`
  const expected = (column: string) => sql`max(${sql(column)}) FILTER (WHERE NOT is_sum)`
  // The sums and what the events fold to, put together and sorted: a full join would compare each with each.
  const driftOf = (period: Period) => {
    const { table, name, characters, sums } = period
    const isOff = sql.or([...sums, "last_used"].map((column) => sql`${kept(column)} IS NOT ${expected(column)}`))
    return sql`
      SELECT period, tool_name, project_hash, ${kept("uses")} AS uses, coalesce(${expected("uses")}, 0) AS expected_uses
      FROM (
        SELECT true AS is_sum, series_id, tool_name, project_hash, ${sql(name)} AS period, last_used,
          ${sql.csv(sums.map((column) => sql`${sql(column)}`))}
        FROM ${sql(table)} JOIN usage_series ON id = series_id
        UNION ALL
        SELECT false, s.id, e.tool_name, e.project_hash, substr(e.created_at, 1, ${characters}) AS period, max(e.created_at),
          ${sql.literal(sharesOfAll(period, "e").join(", "))}
        FROM rollup_state CROSS JOIN tool_usage_events e LEFT JOIN usage_series s ON ${sql.literal(isOfSeries("e"))}
        WHERE ${sql.literal(isAdded("e.id"))}
        GROUP BY s.id, e.tool_name, e.project_hash, 5)
      WHERE period >= (SELECT coalesce(pruned_before, '') FROM rollup_state)
      GROUP BY series_id, tool_name, project_hash, period HAVING ${isOff}`
  }

  const drift = SqlSchema.findAll({
    Request: Schema.Void,
    Result: RollupDrift,
    execute: () => sql`
      ${driftOf(byDay)} UNION ALL ${driftOf(byHour)}
      ORDER BY period, tool_name, project_hash`,
  })

  const reset = Effect.gen(function* () {
    // What came late for a pruned day belongs into its sum, which stays.
    yield* rollUpRecent(sql)
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
    countUnfilled: unfilled(undefined).pipe(
      Effect.map(({ events }) => events),
      failingTo("count what is not in the sums"),
      Effect.withSpan("UsageRollups.countUnfilled"),
    ),
    findDrift: drift(undefined).pipe(
      failingTo("compare the sums with the events"),
      Effect.withSpan("UsageRollups.findDrift"),
    ),
    reset: reset.pipe(failingTo("forget the sums"), Effect.withSpan("UsageRollups.reset")),
  }
}
