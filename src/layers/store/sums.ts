import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import { withImmediateTransaction } from "./immediateTransaction.ts"

/** So many events are folded in one transaction. */
const EVENTS_PER_FOLD = 20_000

/** The level of a series: exact, a tool over all its exact series, or all calls. */
export const levels = { series: 0, tool: 1, all: 2 } as const
export type Level = keyof typeof levels

/** Most questions are about a tool, or all calls, over every project. By exact series these would be thousands of rows. */
const ID_OF_ALL = 1

export const isFailure = "success = 0 AND coalesce(failure_kind, 'error') = 'error'"
export const isInterruption = "success = 0 AND coalesce(failure_kind, 'error') <> 'error'"

/**
 * The number of a duration's bucket. Buckets are log-spaced: each begins at 1.2 times the start of the one below it, bucket 0 at
 * 1 ms, and -1 holds 0 ms.
 */
export const bucketOf =
  "CASE WHEN duration_ms >= 1 THEN CAST(ln(duration_ms) / ln(1.2) AS INTEGER) WHEN duration_ms IS NOT NULL THEN -1 END"

/** The middle of a bucket, in whole milliseconds: at most 10% from each duration in it. */
export const middleOfBucket = (bucket: number): number => (bucket < 0 ? 0 : Math.round(1.2 ** (bucket + 0.5)))

const counts = ["uses", "failures", "interruptions", "duration_ms", "input_bytes", "output_bytes"] as const

const summed = counts.map((count) => `sum(${count}) AS ${count}`).join(", ")

const ofSeries = `
  s.level = 0 AND s.tool_name = e.tool_name AND s.project_hash = coalesce(e.project_hash, '') AND s.agent = coalesce(e.agent, '')
  AND s.subagent = coalesce(e.subagent, '') AND s.target = coalesce(e.target, '')
  AND s.server_name = coalesce(e.server_name, '')`

/** The series of the events for which a condition on `e` holds. */
const addSeries = (sql: SqlClient.SqlClient, range: Statement.Fragment) => sql`
  INSERT INTO usage_series (level, tool_name, project_hash, agent, subagent, target, server_name)
  SELECT DISTINCT 0, tool_name, coalesce(project_hash, ''), coalesce(agent, ''), coalesce(subagent, ''), coalesce(target, ''),
    coalesce(server_name, '')
  FROM tool_usage_events e WHERE ${range}
  UNION SELECT DISTINCT 1, tool_name, '', '', '', '', '' FROM tool_usage_events e WHERE ${range}
  ON CONFLICT DO NOTHING`

/** What events add up to by series, hour and bucket of their durations, on all levels. */
const foldEvents = (sql: SqlClient.SqlClient, range: Statement.Fragment) =>
  Effect.all(
    [
      sql`
        CREATE TEMP TABLE IF NOT EXISTS folded (
          series_id INTEGER, tool_name TEXT, hour TEXT, bucket INTEGER,
          uses INTEGER, failures INTEGER, interruptions INTEGER, duration_ms INTEGER, input_bytes INTEGER,
          output_bytes INTEGER, last_used TEXT)`,
      sql`
        INSERT INTO folded
        SELECT s.id, s.tool_name, substr(e.created_at, 1, 13), ${sql.literal(bucketOf)}, count(*),
          count(*) FILTER (WHERE ${sql.literal(isFailure)}), count(*) FILTER (WHERE ${sql.literal(isInterruption)}),
          coalesce(sum(duration_ms), 0), coalesce(sum(input_bytes), 0), coalesce(sum(output_bytes), 0), max(created_at)
        FROM tool_usage_events e CROSS JOIN usage_series s ON ${sql.literal(ofSeries)}
        WHERE ${range} GROUP BY 1, 3, 4`,
      sql`
        INSERT INTO folded
        SELECT s.id, s.tool_name, hour, bucket, ${sql.literal(summed)}, max(last_used)
        FROM folded CROSS JOIN usage_series s ON s.level = 1 AND s.tool_name = folded.tool_name GROUP BY 1, 3, 4
        UNION ALL
        SELECT ${ID_OF_ALL}, '', hour, bucket, ${sql.literal(summed)}, max(last_used) FROM folded GROUP BY 3, 4`,
    ],
    { discard: true },
  )

const merged = (table: string) => `
  CASE WHEN excluded.durations = '{}' THEN ${table}.durations ELSE (
    SELECT json_group_object(key, uses) FROM (
      SELECT key, sum(value) AS uses FROM (
        SELECT key, value FROM json_each(${table}.durations) UNION ALL SELECT key, value FROM json_each(excluded.durations))
      GROUP BY key)) END`

/** Adds what is folded to the sums by day or hour, which is named by the first characters of a time. */
const addFolded = (sql: SqlClient.SqlClient, table: string, key: ReadonlyArray<string>, characters: number) =>
  sql.unsafe(`
    INSERT INTO ${table} (${key.join(", ")}, ${counts.join(", ")}, durations, last_used)
    SELECT ${key.map((column) => (column === "day" ? "substr(period, 1, 10)" : column === "hour" ? "period" : column)).join(", ")},
      ${summed}, json_group_object(bucket, uses) FILTER (WHERE bucket IS NOT NULL), max(last_used)
    FROM (
      SELECT series_id, substr(hour, 1, ${characters}) AS period, bucket, ${summed}, max(last_used) AS last_used
      FROM folded GROUP BY 1, 2, 3)
    WHERE true GROUP BY series_id, period
    ON CONFLICT (${key.join(", ")}) DO UPDATE SET
      ${counts.map((count) => `${count} = ${table}.${count} + excluded.${count}`).join(", ")},
      durations = ${merged(table)}, last_used = max(${table}.last_used, excluded.last_used)`)

/** Adds the events of a range, which are not in the sums yet, to the sums by day and hour. */
const foldPeriods = (sql: SqlClient.SqlClient, range: Statement.Fragment) =>
  Effect.all(
    [
      foldEvents(sql, range),
      addFolded(sql, "usage_by_hour", ["day", "series_id", "hour"], 13),
      addFolded(sql, "usage_by_day", ["series_id", "day"], 10),
      sql`DELETE FROM folded`,
    ],
    { discard: true },
  )

/** Adds the events of a range, which are not in the sums yet, to the sums by session. */
const foldSessions = (sql: SqlClient.SqlClient, range: Statement.Fragment) => sql`
  WITH exact AS (
    SELECT e.session_id, s.id, s.tool_name, count(*) AS uses, count(*) FILTER (WHERE ${sql.literal(isFailure)}) AS failures,
      min(e.created_at) AS first_used, max(e.created_at) AS last_used
    FROM tool_usage_events e CROSS JOIN usage_series s ON ${sql.literal(ofSeries)}
    WHERE ${range} AND e.session_id IS NOT NULL GROUP BY 1, 2)
  INSERT INTO usage_by_session (session_id, series_id, uses, failures, first_used, last_used)
  SELECT * FROM (
    SELECT session_id, id, uses, failures, first_used, last_used FROM exact
    UNION ALL
    SELECT session_id, s.id, sum(uses), sum(failures), min(first_used), max(last_used)
    FROM exact CROSS JOIN usage_series s ON s.level = 1 AND s.tool_name = exact.tool_name GROUP BY 1, 2
    UNION ALL
    SELECT session_id, ${ID_OF_ALL}, sum(uses), sum(failures), min(first_used), max(last_used) FROM exact GROUP BY 1)
  WHERE true
  ON CONFLICT (session_id, series_id) DO UPDATE SET
    uses = usage_by_session.uses + excluded.uses, failures = usage_by_session.failures + excluded.failures,
    first_used = min(usage_by_session.first_used, excluded.first_used),
    last_used = max(usage_by_session.last_used, excluded.last_used)`

/** Adds the next events that a condition on `e` selects and that are not in the sums yet, in the caller's transaction. Returns whether more are left. */
const foldSome = (sql: SqlClient.SqlClient, selected: Statement.Fragment) =>
  Effect.gen(function* () {
    const [state] = yield* sql`
      SELECT rolled_to, (SELECT coalesce(max(id), 0) FROM tool_usage_events) AS newest FROM usage_state`
    const [after, newest] = [Number(state?.rolled_to), Number(state?.newest)]
    if (newest <= after) return false
    const last = Math.min(newest, after + EVENTS_PER_FOLD)
    const range = sql`e.id > ${after} AND e.id <= ${last} AND ${selected}`
    yield* addSeries(sql, range)
    yield* foldPeriods(sql, range)
    yield* foldSessions(sql, range)
    yield* sql`UPDATE usage_state SET rolled_to = ${last}`
    return last < newest
  })

/** Adds all events that are not in the sums yet, some at a time. Inside a transaction, all is part of that. */
export const foldSums = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Effect.iterate(true, {
    while: (areLeft) => areLeft,
    body: () => withImmediateTransaction(sql)(foldSome(sql, sql`true`)),
  }).pipe(Effect.asVoid)

/** Makes all sums again from the events, in one transaction, except those of pruned days. */
export const rebuildSums = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    // Events that a prune left behind when it was cut off are in the sums that stay, or belong there.
    yield* foldSums(sql)
    yield* sql`DELETE FROM usage_by_hour`
    yield* sql`DELETE FROM usage_by_day WHERE day >= (SELECT coalesce(pruned_before, '') FROM usage_state)`
    yield* sql`DELETE FROM usage_by_session`
    yield* sql`UPDATE usage_state SET rolled_to = 0`
    const isKept = sql`e.created_at >= (SELECT coalesce(pruned_before, '') FROM usage_state)`
    yield* Effect.iterate(true, { while: (areLeft) => areLeft, body: () => foldSome(sql, isKept) })
  }).pipe(withImmediateTransaction(sql))

const listed = (sql: SqlClient.SqlClient, values: ReadonlyArray<string>) =>
  sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`

/**
 * Makes the sums of these days, and of these sessions, again from the events that are folded already. To be run in a transaction,
 * after events of them were removed.
 */
export const refold = (
  sql: SqlClient.SqlClient,
  days: ReadonlyArray<string>,
  sessions: ReadonlyArray<string>,
): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    const isFolded = sql`e.id <= (SELECT rolled_to FROM usage_state)`
    yield* sql`DELETE FROM usage_by_hour WHERE day IN ${listed(sql, days)}`
    yield* sql`DELETE FROM usage_by_day WHERE day IN ${listed(sql, days)}`
    yield* sql`DELETE FROM usage_by_session WHERE session_id IN ${listed(sql, sessions)}`
    for (const day of days) {
      yield* foldPeriods(
        sql,
        sql`e.id IN (
          SELECT id FROM ${everyProject(sql)} CROSS JOIN tool_usage_events
          WHERE project_hash IS hash AND created_at >= ${day} AND created_at < ${`${day}~`}) AND ${isFolded}`,
      )
    }
    yield* foldSessions(sql, sql`e.session_id IN ${listed(sql, sessions)} AND ${isFolded}`)
  })

/** Every project that has calls, and null. Each is found in the index on project and time after the one before. */
export const everyProject = (sql: SqlClient.SqlClient): Statement.Fragment => sql`(
  WITH RECURSIVE project (hash) AS (
    SELECT min(project_hash) FROM tool_usage_events
    UNION ALL
    SELECT (SELECT min(project_hash) FROM tool_usage_events WHERE project_hash > hash) FROM project WHERE hash IS NOT NULL)
  SELECT hash FROM project)`
