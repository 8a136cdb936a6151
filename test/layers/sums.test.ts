import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { TestContext } from "effect/TestContext"
import * as fc from "fast-check"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { Age } from "../../src/domain/TimeWindow.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"

const now = Date.UTC(2026, 10, 23, 12, 34, 56)

const dimensions = {
  tool: "tool_name",
  target: "target",
  server: "server_name",
  agent: "agent",
  subagent: "subagent",
  project: "project_hash",
  day: "substr(created_at, 1, 10)",
} as const

/** By nearest rank, as a person would look it up. */
const rank = (percent: number, rising: ReadonlyArray<number>) =>
  rising[Math.ceil((rising.length * percent) / 100) - 1] ?? null

/** Every dimension of a window, by plain SQL over the events. */
const plainReport = (column: string, project: ProjectSelection, window: Age) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ofProject =
      project === AllProjects ? "1" : project === null ? "project_hash IS NULL" : `project_hash = '${project}'`
    const at = yield* Timestamp.now
    const rows = yield* sql.unsafe<{ readonly key: string; readonly durations: string }>(
      `SELECT ${column} AS key, count(*) AS usage_count,
         count(*) FILTER (WHERE success = 0 AND coalesce(failure_kind, 'error') = 'error') AS failures,
         count(*) FILTER (WHERE success = 0 AND failure_kind IN ('interrupted', 'cancelled')) AS interruptions,
         max(created_at) AS last_used, count(DISTINCT session_id) AS sessions,
         json_group_array(duration_ms) FILTER (WHERE duration_ms IS NOT NULL) AS durations
       FROM tool_usage_events
       WHERE ${ofProject} AND ${column} IS NOT NULL AND created_at <= '${at}'
         AND created_at >= datetime('${at}', '-${window.amount} ${window.unit}')
       GROUP BY 1 ORDER BY usage_count DESC, key`,
    )
    return rows.map(({ durations, ...row }) => {
      const rising = (JSON.parse(durations) as Array<number>).sort((a, b) => a - b)
      return { ...row, median_ms: rank(50, rising), p95_ms: rank(95, rising) }
    })
  })

const assertSameAnswers = (project: ProjectSelection, window: Age) =>
  Effect.gen(function* () {
    const { getReport } = yield* UsageReports
    for (const [dimension, column] of Object.entries(dimensions)) {
      const report = yield* getReport(dimension as keyof typeof dimensions, project, window)
      const rows = Option.match(report, { onNone: () => [], onSome: (of) => of.rows })
      assert.deepStrictEqual(
        rows.map(({ key, usage_count, failures, interruptions, last_used, sessions, median_ms, p95_ms }) => ({
          key,
          usage_count,
          failures,
          interruptions,
          last_used,
          sessions,
          median_ms,
          p95_ms,
        })),
        (yield* plainReport(column, project, window)) as never,
        dimension,
      )
      for (const { usage_count, trend } of rows) {
        assert.strictEqual(
          trend.reduce((sum, bin) => sum + bin.usage_count, 0),
          usage_count,
        )
      }
    }
    const byTool = (yield* plainReport("tool_name", project, window)) as ReadonlyArray<Record<string, unknown>>
    const events = yield* UsageEvents
    assert.deepStrictEqual(
      (yield* events.getUsageSince(project, window)) as never,
      byTool.map(({ key, usage_count, failures, last_used }) => ({ tool_name: key, usage_count, failures, last_used })),
    )
    const bash = Option.getOrUndefined(yield* events.getUsageForTool("Bash", project, window))
    assert.strictEqual(bash?.usage_count, byTool.find(({ key }) => key === "Bash")?.usage_count)
  })

/** Few kinds, so that many of them meet in an hour; some of them in the future, as by a clock that is ahead. */
const calls = fc
  .tuple(fc.constantFrom(0.1, 2, 20), fc.constantFrom(["Bash"], ["Bash", "Skill", "mcp__github__search"]))
  .chain(([days, tools]) =>
    fc.array(toolUses(now, days), { minLength: 4, maxLength: 4 }).map((uses) =>
      uses.flat().map((use, place) =>
        toolUse({
          ...use,
          toolUseId: `toolu_${place % 150}`,
          agent: place % 3 === 0 ? "codex" : use.agent,
          toolName: tools[place % tools.length] ?? "Bash",
          durationMs: place % 5 === 0 ? null : place * 77,
        }),
      ),
    ),
  )

const windows = fc.oneof(
  // So short that most of the calls are in the hours at their ends.
  fc.record({ amount: fc.integer({ min: 1, max: 3 }), unit: fc.constant("hours" as const) }),
  fc.record({ amount: fc.integer({ min: 1, max: 60 }), unit: fc.constant("hours" as const) }),
  fc.record({ amount: fc.integer({ min: 1, max: 25 }), unit: fc.constant("days" as const) }),
)

const selections = fc.constantFrom<ProjectSelection>(projectA.hash, projectB.hash, null, AllProjects)

/** Windows begin and end anywhere in a day, with an hour or a half of one, or with the day. */
const instants = fc
  .oneof(
    fc.constantFrom(0, 30 * 60, 12 * 3600),
    fc.integer({ min: 0, max: 24 * 60 - 1 }).map((minute) => minute * 60),
    fc.integer({ min: 0, max: 24 * 3600 - 1 }),
  )
  .map((second) => Date.UTC(2026, 10, 23) + second * 1000)

describe("the sums", () => {
  it("answer as the events do, however calls came and at whichever time is asked", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ bulk: calls, single: calls, project: selections, asked: instants, window: windows }),
        ({ bulk, single, project, asked, window }) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(asked)
            const upkeep = yield* StoreUpkeep
            yield* recordToolUses(bulk)
            yield* assertSameAnswers(project, window)
            // They come in any order of their times, and so late as well. The newest are not in the sums yet.
            yield* Effect.forEach(single, recordToolUse, { discard: true })
            yield* assertSameAnswers(project, window)
            yield* upkeep.foldSums
            assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
            yield* assertSameAnswers(project, window)
          }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 20, seed: 20_261_123 },
    ))

  it.effect("answer as the events do at whichever time of a day a window begins", () =>
    Effect.gen(function* () {
      const day = Date.UTC(2026, 10, 22)
      // 701 s share nothing with a quarter of an hour, so that calls lie on all sides of each place.
      yield* recordToolUses(
        Array.from({ length: 200 }, (_, place) =>
          toolUse({
            toolName: place % 2 === 0 ? "Bash" : "Read",
            success: place % 3 > 0,
            usedAt: Timestamp.fromEpochMillis(day - 6 * 3_600_000 + place * 701_000),
          }),
        ),
      )
      for (let second = 0; second < 24 * 3600; second += 22.5 * 60) {
        yield* TestClock.setTime(day + 24 * 3_600_000 + second * 1000)
        yield* assertSameAnswers(AllProjects, { amount: 1, unit: "days" })
      }
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("tell durations of more than 50,000 calls within 10%", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 60000)
        INSERT INTO tool_usage_events (tool_name, duration_ms, created_at)
        SELECT CASE n % 2 WHEN 0 THEN 'Bash' ELSE 'Read' END, CASE n % 7 WHEN 0 THEN NULL ELSE n * n / 5000 % 90001 END,
          datetime('2026-11-23 12:00:00', '-' || (n % 400) || ' minutes') FROM n`
      yield* (yield* StoreUpkeep).foldSums
      const week = { amount: 7, unit: "days" } as const
      const report = Option.getOrThrow(yield* (yield* UsageReports).getReport("tool", AllProjects, week))
      const exact = (yield* plainReport("tool_name", AllProjects, week)) as ReadonlyArray<Record<string, unknown>>
      for (const row of report.rows) {
        assert.isTrue(row.is_approximate)
        const { median_ms, p95_ms } = exact.find(({ key }) => key === row.key) ?? {}
        assert.closeTo(Number(row.median_ms), Number(median_ms), Number(median_ms) / 10)
        assert.closeTo(Number(row.p95_ms), Number(p95_ms), Number(p95_ms) / 10)
      }
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("see what another program wrote with plain SQL", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const sql = yield* SqlClient.SqlClient
      const insert = sql`
        INSERT INTO tool_usage_events (tool_name, session_id, created_at) VALUES ('Bash', 's', '2026-11-23 12:00:00')`
      yield* insert
      yield* assertSameAnswers(AllProjects, { amount: 7, unit: "days" })
      yield* (yield* StoreUpkeep).foldSums
      yield* insert
      yield* assertSameAnswers(AllProjects, { amount: 7, unit: "days" })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("leave at most 128 calls to be added", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (let n = 1; n <= 300; n++) {
        yield* recordToolUse(toolUse())
        const [row] = yield* sql`SELECT coalesce(sum(uses), 0) AS uses FROM usage_by_day WHERE series_id = 1`
        assert.strictEqual(Number(row?.uses), n - (n % 128))
      }
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("that were changed by hand, or whose events were, are found and rebuilt", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const sql = yield* SqlClient.SqlClient
      const upkeep = yield* StoreUpkeep
      const [uses] = fc.sample(fc.array(toolUses(now, 3), { minLength: 5 }), { numRuns: 1, seed: 1 })
      yield* recordToolUses((uses ?? []).flat())
      assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
      const tables = {
        usage_by_day: ["uses", "failures", "interruptions", "duration_ms", "durations", "last_used"],
        usage_by_hour: ["uses", "failures", "interruptions", "duration_ms", "durations", "last_used"],
        usage_by_session: ["uses", "failures", "first_used", "last_used"],
      }
      for (const [table, columns] of Object.entries(tables)) {
        for (const column of columns) {
          const [row] = yield* sql`SELECT series_id, ${sql(column)} AS kept FROM ${sql(table)} LIMIT 1`
          const changed = column === "durations" ? '{"99":1}' : typeof row?.kept === "string" ? "0001" : -1
          yield* sql`
            UPDATE ${sql(table)} SET ${sql(column)} = ${changed}
            WHERE series_id = ${row?.series_id} AND ${sql(column)} = ${row?.kept}`
          assert.isNotEmpty(yield* upkeep.findSumDrift, `${table}.${column}`)
          yield* upkeep.rebuildSums
          assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
        }
      }
      yield* sql`DELETE FROM tool_usage_events WHERE id % 3 = 0`
      yield* sql`UPDATE tool_usage_events SET created_at = datetime(created_at, '-1 hours') WHERE id % 3 = 1`
      assert.isNotEmpty(yield* upkeep.findSumDrift)
      yield* upkeep.rebuildSums
      assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
      yield* assertSameAnswers(AllProjects, { amount: 7, unit: "days" })
    }).pipe(Effect.provide(StoreMemory)),
  )
})
