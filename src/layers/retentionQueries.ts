import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Retention } from "../services/Retention.ts"
import { rollUpRecent, withoutTriggers } from "./addToRollups.ts"
import { failingTo } from "./failingTo.ts"
import { readPrunedBefore } from "./prunedDetail.ts"
import { withImmediateTransaction } from "./withImmediateTransaction.ts"

/** What `Retention` does. */
export const makeRetentionQueries = (sql: SqlClient.SqlClient): Context.Tag.Service<Retention> => {
  const inTransaction = withImmediateTransaction(sql)

  const countBefore = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({ calls: Schema.Number }),
    execute: (day) => sql`
      SELECT count(*) AS calls FROM (SELECT DISTINCT project_hash FROM tool_registry) known
      CROSS JOIN tool_usage_events e ON e.project_hash IS known.project_hash AND e.created_at < ${day}`,
  })

  // Project by project, because the index on time is one within each project.
  const oldest = SqlSchema.findAll({
    Request: Schema.Number,
    Result: Schema.Struct({ id: Schema.Number }),
    execute: (events) => sql`
      SELECT e.id FROM rollup_state state CROSS JOIN (SELECT DISTINCT project_hash FROM tool_registry) known
      CROSS JOIN tool_usage_events e ON e.project_hash IS known.project_hash AND e.created_at < state.pruned_before
      LIMIT ${events}`,
  })

  /** What they counted in the aggregate stays as a part of its baseline. */
  const keepInAggregate = (ids: string) => sql`
    UPDATE tool_registry SET
      baseline_count = coalesce(baseline_count, 0) + pruned.uses,
      baseline_last_used_at = max(coalesce(baseline_last_used_at, ''), pruned.last_used)
    FROM (
      SELECT tool_name, project_hash, count(*) AS uses, max(created_at) AS last_used FROM tool_usage_events
      WHERE id IN (SELECT value FROM json_each(${ids})) GROUP BY tool_name, project_hash) pruned
    WHERE tool_registry.name = pruned.tool_name AND tool_registry.project_hash IS pruned.project_hash`

  const pruneEvents = (events: number) =>
    Effect.gen(function* () {
      const found = yield* oldest(events)
      if (found.length === 0) return 0
      const ids = JSON.stringify(found.map(({ id }) => id))
      yield* keepInAggregate(ids)
      yield* withoutTriggers(
        sql,
        "DELETE",
      )(sql`DELETE FROM tool_usage_events WHERE id IN (SELECT value FROM json_each(${ids}))`)
      return found.length
    }).pipe(inTransaction)

  const pruneHours = (sums: number) =>
    Effect.map(
      sql`
        DELETE FROM usage_by_hour WHERE (day, series_id, hour) IN (
          SELECT day, series_id, hour FROM usage_by_hour
          WHERE day < (SELECT pruned_before FROM rollup_state) LIMIT ${sums})
        RETURNING 1`,
      (rows) => rows.length,
    )

  const unusedPages = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ pages: Schema.Number }),
    execute: () => sql`SELECT freelist_count AS pages FROM pragma_freelist_count`,
  })

  return {
    prunedBefore: Effect.withSpan(readPrunedBefore(sql), "Retention.prunedBefore"),

    countBefore: Effect.fn("Retention.countBefore")(
      (day) => Effect.map(countBefore(day), ({ calls }) => calls),
      failingTo("count old events"),
    ),

    begin: Effect.fn("Retention.begin")(
      (day) =>
        rollUpRecent(sql).pipe(
          Effect.zipRight(sql`
            UPDATE rollup_state SET pruned_before = max(coalesce(pruned_before, ''), ${day})
            WHERE filled_to >= fill_until RETURNING 1`),
          Effect.map((rows) => rows.length > 0),
          inTransaction,
        ),
      failingTo("begin to prune"),
    ),

    pruneStep: Effect.fn("Retention.pruneStep")(
      (events) =>
        Effect.flatMap(pruneEvents(events), (pruned) => (pruned > 0 ? Effect.succeed(pruned) : pruneHours(events))),
      failingTo("prune old events"),
    ),

    giveBackStep: Effect.fn("Retention.giveBackStep")(function* (pages) {
      const before = (yield* unusedPages(undefined)).pages
      // A step of this statement frees one page, and the SQL client takes one step of what has no columns.
      yield* Effect.replicateEffect(sql`PRAGMA incremental_vacuum(1)`, Math.min(pages, before), { discard: true })
      return before - (yield* unusedPages(undefined)).pages
    }, failingTo("give unused space back")),
  }
}
