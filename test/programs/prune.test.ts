import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import { projectFromRoot } from "../../src/domain/projectFromRoot.ts"
import type { Timestamp } from "../../src/domain/Timestamp.ts"
import type { TimeWindow } from "../../src/domain/TimeWindow.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { previewPrune, prune } from "../../src/programs/upkeep/prune.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { days, everything, pruneAt } from "../support/pruning.ts"
import { changeStore, readStore, totals } from "../support/store.ts"
import { toolUse, toolUses } from "../support/toolUses.ts"

const now = Date.UTC(2026, 10, 23, 12, 34, 56)
const projectC = projectFromRoot("/projects/c")
const uses = fc.sample(fc.array(toolUses(now, 40), { minLength: 12, maxLength: 12 }), { numRuns: 1, seed: 7 }).flat(2)

interface Step {
  readonly size: number
  readonly millis: number
}

/** The steps in which so many rows are pruned, where a row of the n-th step takes so many milliseconds. */
const stepsOf = (rows: number, rowMillis: (step: number) => number) => {
  let now = 0
  const nanos = () => BigInt(Math.round(now * 1e6))
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.sync(() => {
        now += Duration.toMillis(duration)
      }),
  }
  const steps: Array<Step> = []
  let left = rows
  const takeAway = (size: number) =>
    Effect.sync(() => {
      const done = Math.min(size, left)
      const millis = done * rowMillis(steps.length)
      if (done > 0) steps.push({ size, millis })
      left -= done
      now += millis
      return done
    })
  const Stepping = Layer.mock(StoreUpkeep, {
    countBefore: () => Effect.succeed(rows),
    beginPrune: () => Effect.void,
    pruneStep: (_, events) => takeAway(events),
    giveBackStep: () => Effect.succeed(0),
  })
  return Effect.as(prune(days(20)), steps).pipe(Effect.provide(Stepping), Effect.withClock(clock))
}

describe("a step of pruning", () => {
  it("holds the lock no longer than 50 ms, also where rows take up to twice as long from one step to the next", () =>
    fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0.001, max: 0.25, noNaN: true }),
        fc.array(fc.double({ min: 1, max: 2, noNaN: true }), { minLength: 1 }),
        (millis, factors) =>
          Effect.map(
            stepsOf(30_000, (step) => millis * (factors[step % factors.length] ?? 1)),
            (steps) => {
              for (const step of steps) assert.isAtMost(Math.floor(step.millis), 50)
            },
          ).pipe(Effect.runPromise),
      ),
    ))

  it("takes half as many rows after a slow one, and more after a quick one", () =>
    Effect.gen(function* () {
      const steps = yield* stepsOf(20_000, (step) => (step < 6 ? 0.001 : 0.1))
      const slow = steps.findIndex((step) => step.millis > 50)
      assert.isAbove(slow, 0)
      for (const [place, { size, millis }] of steps.slice(0, -1).entries()) {
        const next = steps[place + 1]?.size ?? 0
        if (millis > 25) assert.strictEqual(next, Math.ceil(size / 2))
        else assert.strictEqual(next, millis < 12.5 ? Math.ceil(size * 1.5) : size)
      }
    }).pipe(Effect.runPromise))
})

describe("pruning", () => {
  it.effect("takes single calls away; sums by day, the aggregate and what is young stay as they were", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      const sql = yield* SqlClient.SqlClient
      const events = yield* UsageEvents
      const upkeep = yield* StoreUpkeep
      const old = yield* sql`SELECT count(*) AS n FROM tool_usage_events WHERE created_at < '2026-11-03'`
      const before = yield* everything
      const young = yield* events.getUsageSince(AllProjects, days(20))
      assert.isAbove(Number(old[0]?.n), 5)

      assert.strictEqual((yield* previewPrune(days(20))).events, old[0]?.n)
      assert.deepStrictEqual(yield* everything, before)

      const pruned = yield* pruneAt(now, 20)
      assert.deepStrictEqual([pruned.before, pruned.events], ["2026-11-03", old[0]?.n])
      assert.deepStrictEqual(yield* upkeep.prunedBefore, Option.some("2026-11-03"))
      const left = yield* sql`
        SELECT (SELECT count(*) FROM tool_usage_events WHERE created_at < '2026-11-03') AS events,
          (SELECT count(*) FROM usage_by_hour WHERE hour < '2026-11-03') AS hours,
          (SELECT count(*) FROM usage_by_session WHERE last_used < '2026-11-03' AND series_id = 1) AS sessions`
      assert.deepStrictEqual(left, [{ events: 0, hours: 0, sessions: 0 }])
      assert.deepStrictEqual(yield* everything, before)
      assert.deepStrictEqual(yield* events.getUsageSince(AllProjects, days(20)), young)
      assert.deepStrictEqual(yield* (yield* ToolRegistry).findDrift, [])
      assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
      yield* upkeep.rebuildSums
      assert.deepStrictEqual(yield* everything, before)
      assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("takes no call any more from before its day, whether it is known or new, one by one or in bulk", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      yield* pruneAt(now, 20)
      const before = yield* everything
      const late = [
        ...uses.filter((use) => use.usedAt < "2026-11-03"),
        toolUse({ usedAt: "2026-11-02 23:59:59" as Timestamp }),
      ]
      for (const use of late) assert.strictEqual(yield* recordToolUse(use), "known")
      assert.lengthOf(yield* recordToolUses(late), 0)
      assert.deepStrictEqual(yield* everything, before)
      const first = toolUse({ usedAt: "2026-11-03 00:00:00" as Timestamp })
      assert.strictEqual(yield* recordToolUse(first), "recorded")
      assert.lengthOf(yield* recordToolUses([...late, { ...first, toolUseId: "toolu_next" }]), 1)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("that was cut short is finished by the next, and the sums by day stay meanwhile", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      const before = yield* everything
      const upkeep = yield* StoreUpkeep
      yield* upkeep.beginPrune("2026-11-03")
      assert.strictEqual(yield* upkeep.pruneStep("2026-11-03", 7), 7)
      assert.deepStrictEqual(yield* everything, before)
      yield* upkeep.rebuildSums
      assert.deepStrictEqual(yield* everything, before)
      yield* pruneAt(now, 20)
      assert.deepStrictEqual(yield* everything, before)
      assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("counts a call whose writer was killed before it counted it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const { insert } = yield* UsageEvents
      yield* insert(toolUse({ toolName: "Late", usedAt: "2026-10-01 00:00:00" as Timestamp }))
      yield* pruneAt(now, 20)
      const registry = yield* ToolRegistry
      assert.deepStrictEqual(yield* registry.findDrift, [])
      const [row] = yield* registry.getAvailableForSession(AllProjects)
      assert.deepStrictEqual([row?.name, row?.usage_count, row?.last_used_at], ["Late", 1, "2026-10-01 00:00:00"])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("lets windows that need what is pruned say so, and only those", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      const young = toolUse({ projectHash: projectC.hash, usedAt: "2026-11-20 00:00:00" as Timestamp })
      yield* recordToolUse(young)
      yield* pruneAt(now, 20)
      const events = yield* UsageEvents
      const reports = yield* UsageReports
      const questions = (project: ProjectSelection, window: TimeWindow) =>
        [
          events.getUsageSince(project, window),
          events.getUsageForTool("Bash", project, window),
          reports.getReport("tool", project, window),
          reports.getToolReport("Bash", project, window),
        ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>
      for (const question of questions(AllProjects, days(30))) {
        assert.strictEqual((yield* Effect.flip(question))._tag, "DetailPruned")
      }
      for (const question of questions(AllProjects, days(20))) yield* question
      // Of this project nothing was pruned.
      for (const question of questions(projectC.hash, days(60))) yield* question
      const report = yield* reports.getReport("tool", AllProjects, days(15))
      // What lies before the window is not whole any more.
      assert.isNull(Option.getOrThrow(report).total.previous_count)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("leaves of a session what is young, and says that it is cut", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const at = (sessionId: string, time: string) => toolUse({ sessionId, usedAt: time as Timestamp })
      const calls = [
        at("both", "2026-11-02 23:59:59"),
        at("both", "2026-11-03 00:00:01"),
        at("young", "2026-11-03 00:00:01"),
        at("old", "2026-11-01 00:00:01"),
      ]
      yield* Effect.forEach(calls, recordToolUse, { discard: true })
      yield* pruneAt(now, 20)
      const { getSessionReport } = yield* UsageReports
      const both = Option.getOrThrow(yield* getSessionReport("both"))
      deepStrictEqual([both.total.usage_count, both.prunedBefore], [1, Option.some("2026-11-03")])
      const whole = Option.getOrThrow(yield* getSessionReport("young"))
      deepStrictEqual([whole.total.usage_count, whole.prunedBefore], [1, Option.none()])
      for (const session of ["old", "nobody"]) assert.isTrue(Option.isNone(yield* getSessionReport(session)))
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("in the background only where it is configured, and a slip in that is said", async () => {
    const home = temporaryFolder()
    await runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", tool_use_id: "a" }))
    changeStore(
      home,
      `INSERT INTO tool_usage_events (tool_name, success, created_at) VALUES ('Read', 1, '2020-01-01 00:00:00');
       INSERT INTO tool_registry (name, tool_type, scope, source, usage_count, last_used_at)
       VALUES ('Read', 'builtin', 'global', 'test', 1, '2020-01-01 00:00:00')`,
    )
    const events = () => totals(home).events
    await runCli(home, ["reconcile"])
    assert.strictEqual(events(), 2)
    for (const [text, complaint] of [
      ["{", "it is not JSON"],
      ["[]", "it is not a JSON object"],
      ['{"retain":"90d"}', '"retain" is not known; accepted is "retention"'],
      ['{"retention":"soon"}', '"retention": "soon" is not an age'],
      ['{"retention":90}', '"retention" is not a text such as "180d"'],
      ['{"retention":"7d"}', "at least 30d is accepted"],
    ] as const) {
      writeFileSync(join(home, "config.json"), text)
      const { code, stderr } = await runCli(home, ["reconcile"])
      assert.deepStrictEqual([code, lines(stderr).length], [0, 1])
      assert.include(stderr, complaint)
      assert.strictEqual(events(), 2)
    }
    writeFileSync(join(home, "config.json"), '{ "retention": "90d" }')
    await runCli(home, ["reconcile", "--background"])
    assert.strictEqual(events(), 1)
  })

  it("by the command: first only says what it would do, then gives the space back", async () => {
    const home = temporaryFolder()
    await runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", tool_use_id: "a" }))
    changeStore(
      home,
      `INSERT INTO tool_usage_events (tool_name, session_id, success, created_at, agent, tool_use_id)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
       SELECT 'Read', 'session-' || i / 150, 1, datetime('2020-01-01', '+' || i || ' minutes'), 'claude-code',
         'toolu_01' || hex(randomblob(11)) FROM n;
       INSERT INTO tool_registry (name, tool_type, scope, source, usage_count, last_used_at)
       SELECT 'Read', 'builtin', 'global', 'test', count(*), max(created_at) FROM tool_usage_events WHERE tool_name = 'Read'`,
    )
    // Whoever asks adds them to the sums.
    await runCli(home, ["top"])
    const size = () => readStore(home, (all) => Number(all("PRAGMA page_count")[0]?.page_count))
    const whole = size()
    const preview = await runCli(home, ["prune", "--older-than", "180d", "--dry-run"])
    assert.match(
      preview.stdout,
      /^Would prune 20000 calls from before \d{4}-\d\d-\d\d \(UTC\); their daily sums stay\.\n$/,
    )
    assert.strictEqual(size(), whole)
    const pruned = await runCli(home, ["prune", "--older-than", "180d", "--json"])
    const result = JSON.parse(pruned.stdout)
    assert.deepStrictEqual([result.events, result.dry_run], [20_000, false])
    assert.isAbove(result.freed_bytes, 0)
    assert.isBelow(size(), whole / 2)
    const again = await runCli(home, ["prune", "--older-than", "180d"])
    assert.match(again.stdout, /^No calls from before/)
    const tooFar = await runCli(home, ["top", "--all-projects", "--since", "20y"])
    assert.deepStrictEqual([tooFar.code, tooFar.stdout, lines(tooFar.stderr).length], [1, "", 1])
    assert.match(tooFar.stderr, /the single calls before \d{4}-\d\d-\d\d are pruned/)
    assert.strictEqual((await runCli(home, ["top", "--all-projects", "--since", "1y"])).code, 0)
    const trend = await runCli(home, ["trend", "Read", "--all-projects", "--since", "20y", "--json"])
    const months: ReadonlyArray<{ usage_count: number }> = JSON.parse(trend.stdout)
    assert.strictEqual(
      months.reduce((sum, month) => sum + month.usage_count, 0),
      20_000,
    )
    // Windows end now, so that a call of a clock that was ahead is in none.
    changeStore(home, "INSERT INTO tool_usage_events (tool_name, created_at) VALUES ('Read', '9999-01-01 00:00:00')")
    const ahead = await runCli(home, ["trend", "--all-projects", "--since", "1y", "--json"])
    const points: ReadonlyArray<{ from: string }> = JSON.parse(ahead.stdout)
    assert.isAtMost(points.length, 14)
    const wrong = await runCli(home, ["prune", "--older-than", "soon"])
    assert.match(wrong.stderr, /--older-than: "soon" is not an age; use /)
    assert.match((await runCli(home, ["prune"])).stderr, /--older-than/)
  })
})
