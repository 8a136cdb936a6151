import * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { TestContext } from "effect/TestContext"
import * as fc from "fast-check"
import { durationBounds } from "../../src/domain/durationBuckets.ts"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { Age } from "../../src/domain/TimeWindow.ts"
import { rollUpRecent } from "../../src/layers/store/addToRollups.ts"
import { bucketColumns, periods } from "../../src/layers/store/rollupTables.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { UsageRollups } from "../../src/services/StoreUpkeep.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"

const now = Date.UTC(2026, 10, 23, 12, 34, 56)

const fillAll = Effect.gen(function* () {
  const rollups = yield* UsageRollups
  yield* Effect.repeat(rollups.fillStep(7), { while: (areLeft) => areLeft })
})

/** As a store is that was filled before it had sums: they are gone, and its events are still to be added. */
const forgetSums = Effect.flatMap(UsageRollups, (rollups) => rollups.reset)

const plainUsageBy = (column: string, project: ProjectSelection, window: Age) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ofProject =
      project === AllProjects ? "1" : project === null ? "project_hash IS NULL" : `project_hash = '${project}'`
    return yield* sql.unsafe<{ readonly key: string }>(
      `SELECT ${column} AS key, count(*) AS usage_count,
         sum(success = 0 AND failure_kind IS NOT 'interrupted') AS failures, max(created_at) AS last_used
       FROM tool_usage_events
       WHERE ${ofProject} AND ${column} IS NOT NULL
         AND created_at >= datetime('${yield* Timestamp.now}', '-${window.amount} ${window.unit}')
       GROUP BY 1 ORDER BY usage_count DESC, key`,
    )
  })

const assertSameAnswers = (project: ProjectSelection, window: Age) =>
  Effect.gen(function* () {
    const events = yield* UsageEvents
    for (const [dimension, column] of [
      ["tool", "tool_name"],
      ["target", "target"],
      ["server", "server_name"],
    ] as const) {
      const plain = yield* plainUsageBy(column, project, window)
      assert.deepStrictEqual(yield* events.getUsageBy(dimension, project, window), plain as never)
    }
    const { getReport } = yield* UsageReports
    for (const [dimension, column] of [
      ["agent", "agent"],
      ["subagent", "subagent"],
      ["project", "project_hash"],
    ] as const) {
      const report = yield* getReport(dimension, project, window)
      const rows = Option.match(report, { onNone: () => [], onSome: (of) => of.rows })
      assert.deepStrictEqual(
        rows.map(({ key, usage_count, failures, last_used }) => ({ key, usage_count, failures, last_used })),
        (yield* plainUsageBy(column, project, window)) as never,
      )
    }
    const [bash] = (yield* plainUsageBy("tool_name", project, window)).filter(({ key }) => key === "Bash")
    const stats = yield* events.getUsageForTool("Bash", project, window)
    assert.deepStrictEqual(
      Option.getOrUndefined(Option.map(stats, ({ tool_name, ...counts }) => ({ key: tool_name, ...counts }))),
      bash as never,
    )
  })

/** So few kinds that many of them meet in an hour. */
const calls = fc
  .tuple(fc.constantFrom(0.1, 2, 20), fc.constantFrom(["Bash"], ["Bash", "Skill", "mcp__github__search"]))
  .chain(([days, tools]) =>
    fc.array(toolUses(now, days), { minLength: 4, maxLength: 4 }).map((uses) =>
      uses.flat().map((use, place) => ({
        ...use,
        agent: place % 3 === 0 ? "codex" : use.agent,
        toolName: tools[place % tools.length] ?? "Bash",
        durationMs: place * 77,
      })),
    ),
  )

const windows = fc.oneof(
  // So short that most of the calls are in the hours at their ends.
  fc.record({ amount: fc.integer({ min: 1, max: 3 }), unit: fc.constant("hours" as const) }),
  fc.record({ amount: fc.integer({ min: 1, max: 60 }), unit: fc.constant("hours" as const) }),
  fc.record({ amount: fc.integer({ min: 1, max: 25 }), unit: fc.constant("days" as const) }),
)

const selections = fc.constantFrom<ProjectSelection>(projectA.hash, projectB.hash, null, AllProjects)

describe("the sums by day and hour", () => {
  it("answer as the events do, with late arrivals, repeated ids, deletions, changes, and old events half added", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          before: calls,
          after: calls,
          project: selections,
          // Windows begin anywhere in a day, with an hour or a half of one, or with the day.
          asked: fc
            .oneof(
              fc.constantFrom(0, 30 * 60, 12 * 3600),
              fc.integer({ min: 0, max: 24 * 60 - 1 }).map((minute) => minute * 60),
              fc.integer({ min: 0, max: 24 * 3600 - 1 }),
            )
            .map((second) => Date.UTC(2026, 10, 23) + second * 1000),
          window: windows,
          deletedShare: fc.integer({ min: 2, max: 5 }),
          steps: fc.nat(4),
          areAllAdded: fc.boolean(),
        }),
        ({ before, after, project, asked, window, deletedShare, steps, areAllAdded }) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(asked)
            const sql = yield* SqlClient.SqlClient
            const rollups = yield* UsageRollups
            yield* Effect.forEach(before, recordToolUse, { discard: true })
            yield* assertSameAnswers(project, window)
            yield* forgetSums
            yield* Effect.repeatN(rollups.fillStep(3), steps)
            // They come in any order of their times, and so late as well.
            yield* Effect.forEach(after, recordToolUse, { discard: true })
            if (areAllAdded) yield* rollUpRecent(sql)
            yield* sql`DELETE FROM tool_usage_events WHERE id % ${deletedShare} = 0`
            yield* sql`
              UPDATE tool_usage_events SET agent = NULL, success = 0, created_at = datetime(created_at, '-1 hours')
              WHERE id % ${deletedShare} = 1`
            assert.deepStrictEqual(yield* rollups.findDrift, [])
            yield* assertSameAnswers(project, window)
            yield* fillAll
            assert.deepStrictEqual(yield* rollups.findDrift, [])
            yield* assertSameAnswers(project, window)
            yield* rollUpRecent(sql)
            assert.deepStrictEqual(yield* rollups.findDrift, [])
            yield* assertSameAnswers(project, window)
          }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 60, seed: 20_261_123 },
    ))

  it.effect("answer as the events do at whichever time of a day a window begins", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* UsageEvents
      const day = Date.UTC(2026, 10, 22)
      // 701 s share nothing with a quarter of an hour, so that calls lie on all sides of each place.
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, place) => day - 6 * 3_600_000 + place * 701_000),
        (usedAt, place) =>
          recordToolUse(
            toolUse({
              toolName: place % 2 === 0 ? "Bash" : "Read",
              success: place % 3 > 0,
              usedAt: Timestamp.fromEpochMillis(usedAt),
            }),
          ),
        { discard: true },
      )
      yield* rollUpRecent(sql)
      const window = { amount: 1, unit: "days" } as const
      for (let second = 0; second < 24 * 3600; second += 7.5 * 60) {
        yield* TestClock.setTime(day + 24 * 3_600_000 + second * 1000)
        const plain = yield* plainUsageBy("tool_name", AllProjects, window)
        const answer = yield* events.getUsageBy("tool", AllProjects, window)
        assert.deepStrictEqual(answer, plain as never, yield* Timestamp.now)
      }
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("count each duration in its bucket, however a call is added, changed or taken away", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bucketOf = (duration: number) => durationBounds.filter((bound) => duration >= bound).length
      const assertCounted = Effect.gen(function* () {
        const rows = yield* sql<{ duration_ms: number | null }>`
          SELECT duration_ms FROM tool_usage_events, rollup_state WHERE id <= rolled_to`
        assert.isNotEmpty(rows)
        const expected = bucketColumns.map(
          (_, place) =>
            rows.filter(({ duration_ms }) => duration_ms !== null && bucketOf(duration_ms) === place).length,
        )
        for (const table of ["usage_by_hour", "usage_by_day"]) {
          const columns = bucketColumns.map((column) => `sum(${column}) AS ${column}`).join(", ")
          const [sums] = yield* sql.unsafe(`SELECT ${columns} FROM ${table}`)
          assert.deepStrictEqual(Object.values(sums ?? {}), expected, table)
        }
      })
      const durations = [null, 0, ...durationBounds.flatMap((bound) => [bound - 1, bound]), 1e7]
      const insert = (id: number | null, duration: number | null) => sql`
        INSERT INTO tool_usage_events (id, tool_name, duration_ms, created_at)
        VALUES (${id}, 'Bash', ${duration}, '2026-11-23 12:00:00')`
      yield* Effect.forEach(durations, (duration) => insert(null, duration))
      yield* rollUpRecent(sql)
      yield* assertCounted
      yield* sql`DELETE FROM tool_usage_events WHERE id % 2 = 0`
      yield* assertCounted
      yield* Effect.forEach(durations, (duration, place) =>
        place % 2 === 1 ? insert(place + 1, duration) : Effect.void,
      )
      yield* assertCounted
      yield* sql`UPDATE tool_usage_events SET duration_ms = CASE WHEN id % 3 = 0 THEN NULL ELSE coalesce(duration_ms, 5) * 2 END`
      yield* assertCounted
      // So many are added by the insert itself.
      yield* Effect.forEach(
        [...Array(7)].flatMap(() => durations),
        (duration) => insert(null, duration),
      )
      yield* assertCounted
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("leave at most 128 events to be added, whatever their times, and no event under an old id", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const sql = yield* SqlClient.SqlClient
      const rollups = yield* UsageRollups
      const added = Effect.map(sql`SELECT coalesce(sum(uses), 0) AS uses FROM usage_by_day`, ([row]) => row?.uses)
      for (let n = 1; n <= 300; n++) {
        const age = n % 7 === 0 ? -1e12 : n % 5 === 0 ? 1e9 : 0
        yield* recordToolUse(toolUse({ usedAt: Timestamp.fromEpochMillis(now - age) }))
        assert.isAtMost(n - Number(yield* added), 128)
      }
      assert.strictEqual(yield* added, 256)
      yield* sql`DELETE FROM tool_usage_events WHERE id = 3`
      assert.strictEqual(yield* added, 255)
      yield* sql`INSERT INTO tool_usage_events (id, tool_name, created_at) VALUES (3, 'Bash', '2026-11-23 12:00:00')`
      assert.strictEqual(yield* added, 256)
      assert.deepStrictEqual(yield* rollups.findDrift, [])
      yield* assertSameAnswers(AllProjects, { amount: 1, unit: "hours" })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("that were changed by hand are found, and made anew", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const sql = yield* SqlClient.SqlClient
      const rollups = yield* UsageRollups
      const [uses] = fc.sample(fc.array(toolUses(now, 3), { minLength: 5 }), { numRuns: 1, seed: 1 })
      yield* Effect.forEach((uses ?? []).flat(), recordToolUse, { discard: true })
      yield* rollUpRecent(sql)
      assert.deepStrictEqual(yield* rollups.findDrift, [])
      for (const { table, sums } of periods) {
        for (const column of [...sums, "last_used"]) {
          const [row] =
            yield* sql`SELECT series_id, ${sql(column)} AS kept FROM ${sql(table)} ORDER BY last_used LIMIT 1`
          const ofRow = sql`series_id = ${row?.series_id} AND last_used = (SELECT min(last_used) FROM ${sql(table)})`
          const changed = column === "last_used" ? "0001" : Number(row?.kept) + 1
          const set = (value: unknown, where: Statement.Fragment) =>
            sql`UPDATE ${sql(table)} SET ${sql(column)} = ${value} WHERE ${where}`
          yield* set(changed, ofRow)
          assert.lengthOf(yield* rollups.findDrift, 1, `${table}.${column}`)
          yield* set(row?.kept, column === "last_used" ? sql`last_used = '0001'` : ofRow)
        }
      }
      assert.deepStrictEqual(yield* rollups.findDrift, [])
      yield* sql`UPDATE usage_by_day SET uses = uses + 1 WHERE series_id = 1`
      yield* sql`DELETE FROM usage_by_hour WHERE series_id = 2`
      assert.isNotEmpty(yield* rollups.findDrift)
      yield* rollups.reset
      yield* fillAll
      assert.deepStrictEqual(yield* rollups.findDrift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )
})
