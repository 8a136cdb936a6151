import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { CountedUses } from "../domain/foldUses.ts"
import { type HourSum, HourSums } from "../domain/hourSums.ts"
import { ProjectHash } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import { TimestampText } from "../domain/TimestampText.ts"
import { inferScope, inferToolType } from "../domain/ToolName.ts"
import { StoreDraft } from "../services/StoreDraft.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { syncFileAside } from "./files/syncToDisk.ts"
import { createTriggers, rollUpRecent, rollUpSums } from "./store/addToRollups.ts"
import { failingTo } from "./store/failingTo.ts"
import { withImmediateTransaction } from "./store/immediateTransaction.ts"
import { makeInsertEvents } from "./store/insertEvents.ts"
import { makeInsertRows, type Value } from "./store/insertRows.ts"
import { hourSumColumns } from "./store/sums.ts"

/**
 * Kibibytes of pages that SQLite keeps. Appending goes back to none. For an index as much is sorted at a time, in one thread
 * while the other reads on, and five times as much takes longer.
 */
const CACHE_KIBIBYTES = 2000

const CountedTool = Schema.Struct({
  tool_name: Schema.String,
  project_hash: Schema.NullOr(ProjectHash),
  server_name: Schema.NullOr(Schema.String),
  uses: Schema.Number,
  first: TimestampText,
  last: TimestampText,
})

const toCountedUses = (row: typeof CountedTool.Type): CountedUses => ({
  tool: {
    name: row.tool_name,
    toolType: inferToolType(row.tool_name),
    scope: inferScope(row.tool_name),
    source: "transcript",
    projectHash: row.project_hash,
    description: null,
    serverName: row.server_name,
  },
  count: row.uses,
  firstUsedAt: row.first,
  lastUsedAt: row.last,
})

/** In the order of `hourSumColumns`. */
const sumValues = ({ series, ...sum }: HourSum): ReadonlyArray<Value> => [
  series.toolName,
  series.projectHash,
  series.agent,
  series.subagent,
  series.target,
  series.serverName,
  sum.hour,
  sum.lastUsed,
  sum.uses,
  sum.failures,
  sum.interruptions,
  sum.durationMs,
  ...sum.buckets,
  sum.usesBeforeCut,
  sum.failuresBeforeCut,
]

const isTwice = ({ cause }: SqlError) =>
  cause instanceof Error && "code" in cause && cause.code === "SQLITE_CONSTRAINT_UNIQUE"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const registry = yield* ToolRegistry
  const insertEvents = makeInsertEvents(sql)
  const insertSums = makeInsertRows(sql, { into: "draft_sums", columns: hourSumColumns, values: sumValues })
  const inTransaction = withImmediateTransaction(sql)

  /**
   * With a WAL each page would be written twice. The journal of a process that was killed is undone by the next one; what a
   * machine that went down leaves may be anything.
   */
  const writeUnsynced = Effect.gen(function* () {
    yield* sql`PRAGMA journal_mode = DELETE`
    yield* sql`PRAGMA synchronous = OFF`
    yield* sql`PRAGMA cache_size = ${sql.literal(String(-CACHE_KIBIBYTES))}`
  })

  /** Takes the indexes and triggers of the events away, and notes the indexes for the end; of a draft that is gone on with they are gone. */
  const strip = Effect.gen(function* () {
    yield* sql`CREATE TABLE IF NOT EXISTS left_out (statement TEXT NOT NULL)`
    // Those of a draft that is gone on with may be an older program's. Without them all events are added up at the end.
    yield* sql`DROP TABLE IF EXISTS draft_sums`
    yield* sql.unsafe(`CREATE TABLE draft_sums (${hourSumColumns.join(", ")})`)
    yield* sql`
      INSERT INTO left_out SELECT sql FROM sqlite_schema
      WHERE tbl_name = 'tool_usage_events' AND type = 'index' AND sql IS NOT NULL`
    const parts = yield* sql`
      SELECT type, name FROM sqlite_schema
      WHERE tbl_name = 'tool_usage_events' AND type IN ('index', 'trigger') AND sql IS NOT NULL`
    yield* Effect.forEach(parts, ({ type, name }) => sql.unsafe(`DROP ${type} ${name}`), { discard: true })
  }).pipe(inTransaction, failingTo("begin the draft of a store"))

  const removeRepeats = Effect.map(
    sql`
      DELETE FROM tool_usage_events WHERE id IN (
        SELECT id FROM (
          SELECT id, row_number() OVER (PARTITION BY agent, tool_use_id ORDER BY id) AS place
          FROM tool_usage_events WHERE tool_use_id IS NOT NULL)
        WHERE place > 1)`.raw,
    (result) => (result as { readonly changes: number }).changes,
  )

  /** Nearly always there are no repeats, so they are looked for only where an index finds one. */
  const restoreIndex = (statement: string) =>
    Effect.as(sql.unsafe(statement), 0).pipe(
      Effect.catchIf(isTwice, () => Effect.zipLeft(removeRepeats, sql.unsafe(statement))),
    )

  /** Takes the sums that were made as the events were appended, unless they are of others than there are now. */
  const addSums = Effect.fnUntraced(function* (removed: number) {
    const [counts] = yield* sql`
      SELECT (SELECT coalesce(sum(uses), 0) FROM draft_sums) AS summed, (SELECT count(*) FROM tool_usage_events) AS events`
    const areOfAll = removed === 0 && counts?.summed === counts?.events
    // A draft that was finished has some, and where a program with other sums finished it, not of all events.
    yield* sql`DELETE FROM usage_by_hour`
    yield* sql`DELETE FROM usage_by_day`
    yield* sql`UPDATE rollup_state SET rolled_to = 0, filled_to = 0, fill_until = 0`
    yield* areOfAll ? rollUpSums(sql, "draft_sums") : rollUpRecent(sql)
  })

  /** What the last of the indexes makes quick: the first use of a tool in a project is in the first hour of its sums. */
  const countedTools = SqlSchema.findAll({
    Request: Schema.Void,
    Result: CountedTool,
    execute: () => sql`
      SELECT tool_name, project_hash, server_name, uses, last, (
          SELECT min(created_at) FROM tool_usage_events e
          WHERE e.tool_name = sums.tool_name AND e.project_hash IS sums.project_hash
            AND e.created_at >= hour AND e.created_at < hour || '~') AS first
      FROM (
        SELECT tool_name, project_hash, server_name, sum(uses) AS uses, max(last_used) AS last, min(hour) AS hour
        FROM usage_series JOIN usage_by_hour ON series_id = id GROUP BY 1, 2, 3) sums`,
  })

  const fixProjects = Effect.gen(function* () {
    const ofProject = sql`FROM tool_usage_events e WHERE e.project_hash = projects.project_hash`
    yield* sql`DELETE FROM projects WHERE NOT EXISTS (SELECT 1 ${ofProject})`
    yield* sql`
      UPDATE projects SET first_seen = (SELECT min(created_at) ${ofProject}), last_seen = (SELECT max(created_at) ${ofProject})`
  })

  /** Writes to the disk what the file holds by now, beside what is done next. A database in memory has no file. */
  const writeMeanwhile = Effect.gen(function* () {
    const [main] = yield* sql`PRAGMA database_list`
    if (!main?.file) return Fiber.void
    const writing = yield* Effect.fork(syncFileAside(String(main.file)))
    yield* Effect.yieldNow()
    return writing
  })

  /** Returns how many events were of calls that were known. */
  const restoreIndexes = Effect.gen(function* () {
    yield* sql`PRAGMA threads = 1`
    // Programs before this one noted triggers as well.
    const indexes = yield* sql`SELECT statement FROM left_out WHERE statement LIKE 'CREATE %INDEX%' ORDER BY rowid`
    const restored = yield* Effect.forEach(indexes, ({ statement }) =>
      Effect.all([writeMeanwhile, restoreIndex(String(statement))]),
    )
    yield* Fiber.joinAll(restored.map(([writing]) => writing))
    return restored.reduce((sum, [, repeats]) => sum + repeats, 0)
  })

  const finish = Effect.gen(function* () {
    const removed = yield* restoreIndexes
    yield* addSums(removed)
    // A draft that was finished, and not put in its place, is finished again.
    yield* sql`DELETE FROM tool_registry`
    yield* registry.recordAll((yield* countedTools(undefined)).map(toCountedUses))
    yield* fixProjects
    yield* createTriggers(sql)
    yield* sql`DROP TABLE left_out`
    yield* sql`DROP TABLE draft_sums`
    return removed
  }).pipe(inTransaction, Effect.zipLeft(sql`PRAGMA journal_mode = WAL`))

  yield* writeUnsynced.pipe(failingTo("begin the draft of a store"))
  yield* strip
  return StoreDraft.of({
    append: Effect.fn("StoreDraft.append")(function* (pieces) {
      const sums = new HourSums()
      for (const uses of pieces) {
        yield* insertEvents(uses)
        sums.add(uses)
      }
      yield* insertSums(sums.getAll())
    }, failingTo("append the events of calls")),
    finish: finish.pipe(failingTo("finish the draft of a store"), Effect.withSpan("StoreDraft.finish")),
  })
})

/** The open store, taken as a draft. */
export const StoreDraftLive: Layer.Layer<StoreDraft, PersistenceError, SqlClient.SqlClient | ToolRegistry> =
  Layer.effect(StoreDraft, make)
