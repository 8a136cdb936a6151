import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SumDrift } from "../../domain/Usage.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"
import { bucketOf, everyProject, foldSums, isFailure, isInterruption, rebuildSums } from "./sums.ts"
import { makePrunedOf } from "./usageReads.ts"

export const makeStoreUpkeep = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const inTransaction = withImmediateTransaction(sql)

  const prunedBefore = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ day: Schema.NullOr(Schema.String) }),
    execute: () => sql`SELECT pruned_before AS day FROM usage_state`,
  })

  /** The exact series of each event, and the series of the other levels that count it. */
  const seriesOfEvents = sql`
    SELECT s.id AS series_id, nullif(s.tool_name, '') AS tool_name, e.*
    FROM usage_state CROSS JOIN tool_usage_events e LEFT JOIN usage_series s ON
      s.tool_name IN (e.tool_name, '') AND (s.level > 0 OR (
        s.tool_name = e.tool_name AND s.project_hash = coalesce(e.project_hash, '') AND s.agent = coalesce(e.agent, '')
        AND s.subagent = coalesce(e.subagent, '') AND s.target = coalesce(e.target, '')
        AND s.server_name = coalesce(e.server_name, '')))
    WHERE e.id <= rolled_to AND e.created_at >= coalesce(pruned_before, '')`

  /** The kept sums and what the events add up to, in one sorted list: a full join would compare each with each. */
  const driftOf = (table: "usage_by_day" | "usage_by_hour", name: "day" | "hour") => sql`
    SELECT period, tool_name, max(uses) FILTER (WHERE is_kept) AS uses,
      coalesce(max(uses) FILTER (WHERE NOT is_kept), 0) AS expected_uses
    FROM (
      SELECT true AS is_kept, series_id, nullif(tool_name, '') AS tool_name, ${sql(name)} AS period,
        json_array(uses, failures, interruptions, duration_ms, input_bytes, output_bytes, last_used) AS sums, uses,
        (SELECT group_concat(key || ':' || value ORDER BY key) FROM json_each(durations)) AS durations
      FROM ${sql(table)} JOIN usage_series ON id = series_id
      UNION ALL
      SELECT false, series_id, tool_name, period,
        json_array(sum(uses), sum(failures), sum(interruptions), sum(duration_ms), sum(input_bytes), sum(output_bytes),
          max(last_used)), sum(uses),
        group_concat(bucket || ':' || uses ORDER BY CAST(bucket AS TEXT)) FILTER (WHERE bucket IS NOT NULL)
      FROM (
        SELECT series_id, tool_name, substr(created_at, 1, ${name === "day" ? 10 : 13}) AS period,
          ${sql.literal(bucketOf)} AS bucket, count(*) AS uses, count(*) FILTER (WHERE ${sql.literal(isFailure)}) AS failures,
          count(*) FILTER (WHERE ${sql.literal(isInterruption)}) AS interruptions,
          coalesce(sum(duration_ms), 0) AS duration_ms, coalesce(sum(input_bytes), 0) AS input_bytes,
          coalesce(sum(output_bytes), 0) AS output_bytes, max(created_at) AS last_used
        FROM (${seriesOfEvents}) GROUP BY 1, 2, 3, 4)
      GROUP BY 2, 3, 4)
    WHERE period >= (SELECT coalesce(pruned_before, '') FROM usage_state)
    GROUP BY series_id, tool_name, period
    HAVING max(sums) FILTER (WHERE is_kept) IS NOT max(sums) FILTER (WHERE NOT is_kept)
      OR max(durations) FILTER (WHERE is_kept) IS NOT max(durations) FILTER (WHERE NOT is_kept)`

  // A session that began before a prune has only some of its events left.
  const driftOfSessions = sql`
    SELECT session_id AS period, tool_name, max(uses) FILTER (WHERE is_kept) AS uses,
      coalesce(max(uses) FILTER (WHERE NOT is_kept), 0) AS expected_uses
    FROM (
      SELECT true AS is_kept, session_id, series_id, nullif(tool_name, '') AS tool_name, uses,
        json_array(uses, failures, first_used, last_used) AS sums
      FROM usage_by_session JOIN usage_series ON id = series_id
      UNION ALL
      SELECT false, session_id, series_id, tool_name, count(*),
        json_array(count(*), count(*) FILTER (WHERE ${sql.literal(isFailure)}), min(created_at), max(created_at))
      FROM (${seriesOfEvents}) WHERE session_id IS NOT NULL GROUP BY 2, 3)
    WHERE session_id NOT IN (
      SELECT session_id FROM usage_state CROSS JOIN usage_by_session ON series_id = 1 AND first_used < pruned_before)
    GROUP BY session_id, series_id, tool_name
    HAVING max(sums) FILTER (WHERE is_kept) IS NOT max(sums) FILTER (WHERE NOT is_kept)`

  const sumDrift = SqlSchema.findAll({
    Request: Schema.Void,
    Result: SumDrift,
    execute: () => sql`
      ${driftOf("usage_by_day", "day")} UNION ALL ${driftOf("usage_by_hour", "hour")} UNION ALL ${driftOfSessions}
      ORDER BY period, tool_name`,
  })

  const countBefore = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({ calls: Schema.Number }),
    execute: (day) => sql`
      SELECT count(*) AS calls FROM ${everyProject(sql)}
      CROSS JOIN tool_usage_events ON project_hash IS hash AND created_at < ${day}`,
  })

  // Project by project, because the index sorts by time within each project.
  const oldest = SqlSchema.findAll({
    Request: Schema.Struct({ day: Schema.String, limit: Schema.Number }),
    Result: Schema.Struct({ id: Schema.Number }),
    execute: ({ day, limit }) => sql`
      SELECT id FROM usage_state CROSS JOIN ${everyProject(sql)}
      CROSS JOIN tool_usage_events ON project_hash IS hash AND created_at < min(${day}, pruned_before)
      LIMIT ${limit}`,
  })

  const pruneEvents = (day: string, limit: number) =>
    Effect.gen(function* () {
      const found = yield* oldest({ day, limit })
      if (found.length === 0) return 0
      // A deleted event must be in the sums and in the registry: its writer may have been killed before it counted it.
      yield* foldSums(sql)
      const ids = sql`(SELECT value FROM json_each(${JSON.stringify(found.map(({ id }) => id))}))`
      yield* sql`
        INSERT INTO tool_registry (
          name, tool_type, scope, source, project_hash, usage_count, last_used_at, baseline_count, baseline_last_used_at, discovered_at)
        SELECT tool_name, 'unknown', 'global', 'events', project_hash, count(*), max(created_at), count(*), max(created_at),
          min(created_at)
        FROM tool_usage_events WHERE id IN ${ids} GROUP BY tool_name, project_hash
        ON CONFLICT (name, COALESCE(project_hash, '')) DO UPDATE SET
          baseline_count = coalesce(tool_registry.baseline_count, 0) + excluded.baseline_count,
          baseline_last_used_at = max(coalesce(tool_registry.baseline_last_used_at, ''), excluded.baseline_last_used_at)`
      yield* sql`DELETE FROM tool_usage_events WHERE id IN ${ids}`
      return found.length
    }).pipe(inTransaction)

  const pruneSums = (limit: number) =>
    Effect.gen(function* () {
      const hours = yield* sql`
        DELETE FROM usage_by_hour WHERE (day, series_id, hour) IN (
          SELECT day, series_id, hour FROM usage_by_hour
          WHERE day < (SELECT pruned_before FROM usage_state) LIMIT ${limit})
        RETURNING 1`
      if (hours.length > 0) return hours.length
      const sessions = yield* sql`
        DELETE FROM usage_by_session WHERE session_id IN (
          SELECT session_id FROM usage_by_session
          WHERE series_id = 1 AND last_used < (SELECT pruned_before FROM usage_state) LIMIT ${limit})
        RETURNING 1`
      return sessions.length
    })

  const unusedPages = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ pages: Schema.Number }),
    execute: () => sql`SELECT freelist_count AS pages FROM pragma_freelist_count`,
  })

  return StoreUpkeep.of({
    foldSums: foldSums(sql).pipe(failingTo("add new calls to the sums"), Effect.withSpan("StoreUpkeep.foldSums")),

    findSumDrift: sumDrift(undefined).pipe(
      failingTo("compare the sums with the events"),
      Effect.withSpan("StoreUpkeep.findSumDrift"),
    ),

    rebuildSums: rebuildSums(sql).pipe(failingTo("rebuild the sums"), Effect.withSpan("StoreUpkeep.rebuildSums")),

    prunedBefore: prunedBefore(undefined).pipe(
      Effect.map(({ day }) => Option.fromNullable(day)),
      failingTo("read what is pruned"),
      Effect.withSpan("StoreUpkeep.prunedBefore"),
    ),

    prunedOf: Effect.fn("StoreUpkeep.prunedOf")(makePrunedOf(sql), failingTo("read what is pruned")),

    countBefore: Effect.fn("StoreUpkeep.countBefore")(
      (day) => Effect.map(countBefore(day), ({ calls }) => calls),
      failingTo("count old events"),
    ),

    beginPrune: Effect.fn("StoreUpkeep.beginPrune")(
      (day) => Effect.asVoid(sql`UPDATE usage_state SET pruned_before = max(coalesce(pruned_before, ''), ${day})`),
      failingTo("begin to prune"),
    ),

    pruneStep: Effect.fn("StoreUpkeep.pruneStep")(
      (day, limit) =>
        Effect.flatMap(pruneEvents(day, limit), (pruned) => (pruned > 0 ? Effect.succeed(pruned) : pruneSums(limit))),
      failingTo("prune old events"),
    ),

    giveBackStep: Effect.fn("StoreUpkeep.giveBackStep")(function* (pages) {
      const before = (yield* unusedPages(undefined)).pages
      // A step of this statement frees one page, and the SQL client takes only one step if a statement has no columns.
      yield* Effect.replicateEffect(sql`PRAGMA incremental_vacuum(1)`, Math.min(pages, before), { discard: true })
      return before - (yield* unusedPages(undefined)).pages
    }, failingTo("give unused space back")),
  })
})

/** `StoreUpkeep` over an open database. */
export const StoreUpkeepSql: Layer.Layer<StoreUpkeep, never, SqlClient.SqlClient> = Layer.effect(
  StoreUpkeep,
  makeStoreUpkeep,
)
