import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Retention } from "../../services/Retention.ts"
import { rollUpRecent, withoutTriggers } from "./addToRollups.ts"
import { everyProject } from "./callSelection.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"
import { makeKeepPruned } from "./keepPruned.ts"
import { readForgottenBefore, readPrunedOf } from "./pruned.ts"

/** What `Retention` does. */
export const makeRetentionQueries = (sql: SqlClient.SqlClient): Context.Tag.Service<Retention> => {
  const inTransaction = withImmediateTransaction(sql)
  const keepPruned = makeKeepPruned(sql)

  const countBefore = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({ calls: Schema.Number }),
    execute: (day) => sql`
      SELECT count(*) AS calls FROM ${everyProject(sql)}
      CROSS JOIN tool_usage_events ON project_hash IS hash AND created_at < ${day}`,
  })

  // Project by project, because the index on time is one within each project.
  const oldest = SqlSchema.findAll({
    Request: Schema.Struct({ day: Schema.String, events: Schema.Number }),
    Result: Schema.Struct({ id: Schema.Number }),
    execute: ({ day, events }) => sql`
      SELECT id FROM rollup_state CROSS JOIN ${everyProject(sql)}
      CROSS JOIN tool_usage_events ON project_hash IS hash AND created_at < min(${day}, pruned_before)
      LIMIT ${events}`,
  })

  const pruneEvents = (day: string, events: number) =>
    Effect.gen(function* () {
      const found = yield* oldest({ day, events })
      if (found.length === 0) return 0
      // What is taken away must be one of the sums, which the newest are not yet.
      yield* rollUpRecent(sql)
      const ids = JSON.stringify(found.map(({ id }) => id))
      yield* keepPruned(ids)
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
    Result: Schema.Struct({ pages: Schema.Number, bytes: Schema.Number, auto_vacuum: Schema.Number }),
    execute: () => sql`
      SELECT freelist_count AS pages, freelist_count * page_size AS bytes, auto_vacuum
      FROM pragma_freelist_count, pragma_page_size, pragma_auto_vacuum`,
  })

  return {
    prunedBefore: Effect.fn("Retention.prunedBefore")(readPrunedOf(sql)),
    forgottenBefore: Effect.withSpan(readForgottenBefore(sql), "Retention.forgottenBefore"),

    countBefore: Effect.fn("Retention.countBefore")(
      (day) => Effect.map(countBefore(day), ({ calls }) => calls),
      failingTo("count old events"),
    ),

    begin: Effect.fn("Retention.begin")(
      (day) =>
        Effect.map(
          sql`
            UPDATE rollup_state SET pruned_before = max(coalesce(pruned_before, ''), ${day})
            WHERE filled_to >= fill_until RETURNING 1`,
          (rows) => rows.length > 0,
        ),
      failingTo("begin to prune"),
    ),

    pruneStep: Effect.fn("Retention.pruneStep")(
      (day, events) =>
        Effect.flatMap(pruneEvents(day, events), (pruned) =>
          pruned > 0 ? Effect.succeed(pruned) : pruneHours(events),
        ),
      failingTo("prune old events"),
    ),

    unusedSpace: unusedPages(undefined).pipe(
      Effect.map(({ bytes, auto_vacuum }) => ({ bytes, canBeGivenBack: auto_vacuum !== 0 })),
      failingTo("look for unused space"),
      Effect.withSpan("Retention.unusedSpace"),
    ),

    rewrite: Effect.gen(function* () {
      yield* sql`PRAGMA auto_vacuum = INCREMENTAL`
      yield* sql`VACUUM`
      yield* sql`PRAGMA wal_checkpoint(TRUNCATE)`
    }).pipe(failingTo("write the store anew"), Effect.withSpan("Retention.rewrite")),

    giveBackStep: Effect.fn("Retention.giveBackStep")(function* (pages) {
      const before = (yield* unusedPages(undefined)).pages
      // A step of this statement frees one page, and the SQL client takes one step of what has no columns.
      yield* Effect.replicateEffect(sql`PRAGMA incremental_vacuum(1)`, Math.min(pages, before), { discard: true })
      return before - (yield* unusedPages(undefined)).pages
    }, failingTo("give unused space back")),
  }
}
