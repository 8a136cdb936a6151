import { join } from "node:path"
import type * as SqlError from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { END, generateEvents, projectHash, toolName } from "../../bench/scaleData.mjs"
import { AllProjects, type ProjectHash } from "../../src/domain/Project.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { TimeWindow } from "../../src/domain/TimeWindow.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { type Store, StoreLive } from "../../src/layers/store/Store.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { Retention } from "../../src/services/Retention.ts"
import { UsageRollups } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { DrainLedger } from "../../src/services/Transaction.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"
import { readStore } from "../support/store.ts"
import { toolUse } from "../support/toolUses.ts"

const project = projectHash(0) as ProjectHash
const days = (amount: number): TimeWindow => ({ amount, unit: "days" })

const storeAt = (home: string) =>
  Layer.provide(StoreLive({ busyTimeoutMillis: 100, checkpointPages: 1000, whenMissing: "create" }), homeAt(home))

/** A store of generated calls, as the benchmark has them, but for some fields. */
const storeOf = (events: number, fields: (project: string) => Partial<ToolUse> = () => ({})) =>
  Effect.gen(function* () {
    const home = temporaryFolder()
    const uses = [...generateEvents(events)].map((event) =>
      toolUse({
        toolName: event.tool,
        sessionId: event.session,
        projectHash: event.project as ProjectHash,
        projectRoot: null,
        success: event.success === 1,
        failureKind: event.success === 1 ? null : "error",
        usedAt: event.at as Timestamp.Timestamp,
        toolUseId: event.id,
        durationMs: event.duration,
        subagent: event.subagent,
        ...fields(event.project),
      }),
    )
    yield* Effect.flatMap(DrainLedger, ({ atomically }) => atomically(recordToolUses(uses))).pipe(
      Effect.provide(storeAt(home)),
    )
    return home
  })

const kept = new Map<number, string>()

/** The same, made once for all tests that only read it. */
const keptStoreOf = (events: number) =>
  Effect.suspend(() => {
    const home = kept.get(events)
    return home === undefined
      ? Effect.tap(storeOf(events), (made) => Effect.sync(() => kept.set(events, made)))
      : Effect.succeed(home)
  })

/** The tables whose rows are counted, with a column of each: what depends on no column is asked once for all rows. */
const tables = {
  tool_usage_events: "id",
  usage_by_hour: "series_id",
  usage_by_day: "series_id",
  usage_series: "id",
  tool_registry: "id",
} as const
type Visits = Record<keyof typeof tables, number>

/**
 * Runs a question, and its statements once more on tables that count which rows they are asked for: each is hidden behind a
 * view of the same name that calls a function for every row that its index did not rule out.
 */
const workOf = <E>(home: string, question: Effect.Effect<unknown, E, Store>) =>
  Effect.gen(function* () {
    const statements: Array<readonly [sql: string, parameters: ReadonlyArray<unknown>]> = []
    yield* question.pipe(
      Statement.withTransformer((statement) =>
        Effect.sync(() => {
          statements.push(statement.compile())
          return statement
        }),
      ),
      Effect.provide(storeAt(home)),
    )
    const database = new Database(join(home, "tooltrail.db"), { readonly: true })
    const asked = statements.filter(([sql]) => /^\s*(SELECT|WITH)/.test(sql) && /tool_|usage_/.test(sql))
    assert.isNotEmpty(asked)
    const results = () => asked.map(([sql, parameters]) => database.prepare(sql).all(...parameters))
    const planOf = ([sql, parameters]: (typeof statements)[number]) =>
      database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...parameters)
        .map((row) => String((row as { readonly detail: string }).detail))
    const plan = asked.flatMap(planOf)
    const writes = statements.filter(([sql]) => /^\s*(INSERT|UPDATE|DELETE)/.test(sql) && !sql.includes("new_sums"))
    const writePlan = writes.flatMap(planOf)
    const plain = results()
    const visits: Visits = {
      tool_usage_events: 0,
      usage_by_hour: 0,
      usage_by_day: 0,
      usage_series: 0,
      tool_registry: 0,
    }
    database.function("visit", (table, _row) => {
      visits[table as keyof Visits]++
      return 1
    })
    for (const [table, column] of Object.entries(tables)) {
      database.exec(`CREATE TEMP VIEW ${table} AS SELECT * FROM main.${table} WHERE visit('${table}', ${column})`)
    }
    assert.deepStrictEqual(results(), plain)
    database.close()
    return { visits, plan, writePlan }
  })

const questions = {
  "the most used tools of 1 day": UsageEvents.pipe(Effect.flatMap((events) => events.getUsageSince(project, days(1)))),
  "the most used tools of 7 days": UsageEvents.pipe(Effect.flatMap((events) => events.getUsageSince(project, days(7)))),
  "the most used tools of 30 days": UsageEvents.pipe(
    Effect.flatMap((events) => events.getUsageSince(project, days(30))),
  ),
  "the most used tools of 90 days": UsageEvents.pipe(
    Effect.flatMap((events) => events.getUsageSince(project, days(90))),
  ),
  "the uses of a tool": UsageEvents.pipe(
    Effect.flatMap((events) => events.getUsageForTool(toolName(0), project, days(30))),
  ),
  "what a session used": UsageEvents.pipe(
    Effect.flatMap((events) =>
      Effect.flatMap(events.getNewest(project, 1), ([newest]) => events.getUsageForSession(newest?.session_id ?? "")),
    ),
  ),
  "the tools in scope": ToolRegistry.pipe(Effect.flatMap((registry) => registry.getAvailableForSession(project))),
} satisfies Record<string, Effect.Effect<unknown, { readonly message: string } | SqlError.SqlError, Store>>

const newestSession = Effect.flatMap(UsageEvents, (store) => store.getNewestSession)

/** Of one project there are at most so many: 60 tools, each by the main agent and by a subagent. */
const MOST_SERIES = 120
/** 60 tools in 20 projects. */
const MOST_TOOLS = 1200
const PROJECTS = 20
const SESSION_CALLS = 150

const midnight = END - (END % 86_400_000)

/** How many sums there are of the project in hours of a day, the last of which does not belong to them. */
const countHours = (home: string, day: string, first: number, end: number): number => {
  const hourAt = (hour: number) => `${day} ${String(hour).padStart(2, "0")}`
  return readStore(home, (all) =>
    Number(
      all(`
        SELECT count(*) AS hours FROM usage_by_hour JOIN usage_series ON id = series_id
        WHERE project_hash = '${project}' AND day = '${day}' AND hour >= '${hourAt(first)}' AND hour < '${hourAt(end)}'`)[0]
        ?.hours,
    ),
  )
}

describe("the work that a question makes", () => {
  it.effect(
    "is bounded by its answer, and does not grow with the number of events",
    () =>
      Effect.gen(function* () {
        let anyHours = 0
        for (const events of [20_000, 80_000]) {
          // A quarter past, which is as far from where a sum can begin as a time can be.
          yield* TestClock.setTime(END - 15 * 60_000)
          const home = yield* keptStoreOf(events)
          const ofHour = Math.ceil(events / (90 * 24)) + 1
          for (const [name, question] of Object.entries(questions)) {
            const { visits, plan } = yield* workOf(home, question)
            for (const line of plan) {
              assert.notMatch(line, /^SCAN (tool_usage_events|usage_by_hour|usage_by_day)\b(?!.*USING)/, name)
            }
            const lengthInDays = Number(/of (\d+) days?$/.exec(name)?.[1] ?? 30)
            // Once for days, once for hours.
            assert.isAtMost(visits.usage_series, 2 * MOST_SERIES, name)
            assert.isAtMost(visits.usage_by_day, MOST_SERIES * lengthInDays, name)
            // What is left of the hour goes to where the day is cut, so that no other hour is read.
            assert.isAtMost(visits.usage_by_hour, ofHour, name)
            assert.isAtMost(visits.tool_registry, MOST_TOOLS, name)
            // A session, or the part of an hour that is cut.
            assert.isAtMost(visits.tool_usage_events, 2 * SESSION_CALLS, name)
          }
          const ofTool = yield* workOf(home, questions["the uses of a tool"])
          assert.match(
            ofTool.plan.join("\n"),
            /idx_tool_usage_events_tool \(tool_name=\? AND created_at>\? AND created_at<\?\)/,
          )
          for (const hour of Array(24).keys()) {
            const asked = midnight + (hour + 0.25) * 3_600_000
            yield* TestClock.setTime(asked)
            const length = [1, 2, 3, 5, 7, 30][hour % 6] ?? 1
            const { visits, plan } = yield* workOf(
              home,
              Effect.flatMap(UsageEvents, (store) => store.getUsageSince(project, days(length))),
            )
            // A day is cut every six hours, and the sum of an hour begins at its half.
            const cut = Math.round((hour + 0.5) / 6) * 6
            const day = Timestamp.fromEpochMillis(asked - length * 86_400_000).slice(0, 10)
            const between = cut > hour ? countHours(home, day, hour, cut) : countHours(home, day, cut, hour + 1)
            assert.strictEqual(visits.usage_by_hour, between, `at ${hour}:15`)
            anyHours += between
            const ofSeries = plan.filter((line) => line.includes(" series "))
            assert.isNotEmpty(ofSeries)
            for (const line of ofSeries) {
              assert.include(line, "SEARCH series USING COVERING INDEX idx_usage_series_project_tool (project_hash=?")
            }
          }
          yield* TestClock.setTime(END - 27 * 60_000)
          const ofAll = UsageEvents.pipe(Effect.flatMap((store) => store.getUsageSince(AllProjects, days(7))))
          const early = yield* workOf(home, ofAll)
          const ofThreeMinutes = events / (90 * 24 * 20)
          assert.isAtMost(early.visits.tool_usage_events, Math.ceil(ofThreeMinutes) + 1, "of a cut early in an hour")
          const { visits } = yield* workOf(home, questions["the most used tools of 90 days"])
          assert.isAbove(visits.usage_by_day, 500, "what is counted is counted")
        }
        assert.isAbove(anyHours, 50)
      }),
    60_000,
  )

  it.effect(
    "is that of the window over all projects, and of some calls of each project where the newest are asked for",
    () =>
      Effect.gen(function* () {
        for (const events of [20_000, 80_000]) {
          yield* TestClock.setTime(END)
          const home = yield* keptStoreOf(events)
          const ofDay = Math.ceil(events / 90)
          const dayAgo = Timestamp.fromEpochMillis(END - 86_400_000)
          const asked: ReadonlyArray<readonly [Effect.Effect<unknown, unknown, Store>, atMost: number]> = [
            [Effect.flatMap(UsageEvents, (store) => store.getNewest(AllProjects, 20)), PROJECTS * 2 * (20 + 2)],
            [newestSession, PROJECTS * 25],
            [
              Effect.flatMap(UsageEvents, (store) => store.getActivity("claude-code", dayAgo)),
              ofDay + PROJECTS * 2 + 128,
            ],
            [Effect.flatMap(UsageReports, (store) => store.getReport("tool", AllProjects, days(1))), 3 * ofDay + 200],
          ]
          for (const [place, [question, atMost]] of asked.entries()) {
            const { visits } = yield* workOf(home, question)
            assert.isAtMost(visits.tool_usage_events, atMost, `question ${place} of ${events} events`)
          }
        }
      }),
    60_000,
  )

  it.effect(
    "is no more where the calls of a project are of another agent, or without a session",
    () =>
      Effect.gen(function* () {
        for (const events of [20_000, 80_000]) {
          yield* TestClock.setTime(END)
          const home = yield* storeOf(events, (of) =>
            of === project ? { sessionId: null } : of === projectHash(1) ? { agent: "another" } : {},
          )
          assert.isAtMost((yield* workOf(home, newestSession)).visits.tool_usage_events, PROJECTS * 25)
          for (const agent of ["claude-code", "another", "a third"]) {
            const lastCall = Effect.flatMap(UsageEvents, (store) =>
              store.getActivity(agent, Timestamp.fromEpochMillis(END)),
            )
            const { visits } = yield* workOf(home, lastCall)
            assert.isAtMost(visits.tool_usage_events, PROJECTS * 2 + 128, `${agent} of ${events} events`)
            assert.isAtMost(visits.usage_series, MOST_SERIES * PROJECTS)
            assert.isAtMost(visits.usage_by_day, MOST_SERIES * PROJECTS)
          }
        }
      }),
    60_000,
  )

  it.effect("is that of the tool's own calls, and of the sessions around them, where a report is about a tool", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(END)
      const home = yield* storeOf(40_000)
      const rare = toolName(59)
      const question = Effect.flatMap(UsageReports, (store) => store.getToolReport(rare, project, days(30)))
      const { row } = Option.getOrThrow(yield* Effect.provide(question, storeAt(home)))
      const ofAll = yield* UsageEvents.pipe(
        Effect.flatMap((store) => store.getUsageForTool(rare, AllProjects, days(30))),
        Effect.map(Option.getOrThrow),
        Effect.provide(storeAt(home)),
      )
      const { visits } = yield* workOf(home, question)
      const ofSessions = row.sessions * SESSION_CALLS
      // The newest calls, of which there are up to 128, are looked at by each of the five questions for sums.
      assert.isAtMost(visits.tool_usage_events, ofSessions + 4 * ofAll.usage_count + 5 * 128)
    }),
  )

  it.effect("is that of days where it is a trend, whichever tool, and of few calls beside", () =>
    Effect.gen(function* () {
      for (const events of [20_000, 80_000]) {
        yield* TestClock.setTime(END - 15 * 60_000)
        const home = yield* keptStoreOf(events)
        for (const [tool, series] of [
          [Option.none(), MOST_SERIES * PROJECTS],
          [Option.some(toolName(0)), 2 * PROJECTS],
        ] as const) {
          const trend = { tool, project: AllProjects, window: days(60), unit: "week" } as const
          const { visits } = yield* workOf(
            home,
            Effect.flatMap(UsageReports, ({ getTrend }) => getTrend(trend)),
          )
          assert.isAtMost(visits.usage_by_day, series * (60 + 7))
          assert.isAtMost(visits.usage_by_hour, 0)
          // The newest, which are in no sum yet.
          assert.isAtMost(visits.tool_usage_events, 128)
        }
      }
    }),
  )

  it.effect("is that of what is pruned where old calls are looked for, not of what stays", () =>
    Effect.gen(function* () {
      for (const events of [20_000, 80_000]) {
        yield* TestClock.setTime(END)
        const home = yield* storeOf(events)
        const day = Timestamp.fromEpochMillis(END - 89 * 86_400_000).slice(0, 10)
        const retention = <A, E>(ask: (service: Context.Tag.Service<Retention>) => Effect.Effect<A, E>) =>
          Effect.flatMap(Retention, ask)
        const count = retention(({ countBefore }) => countBefore(day))
        const old = yield* Effect.provide(count, storeAt(home))
        assert.isTrue(old > 0 && old < events / 40)
        assert.isAtMost((yield* workOf(home, count)).visits.tool_usage_events, old + 3 * PROJECTS)
        const isPruned = retention(({ prunedBefore }) => prunedBefore({ project }))
        assert.deepStrictEqual(new Set(Object.values((yield* workOf(home, isPruned)).visits)), new Set([0]))
        yield* Effect.provide(
          retention(({ begin }) => begin(day)),
          storeAt(home),
        )
        const step = yield* workOf(
          home,
          retention(({ pruneStep }) => pruneStep(day, 50)),
        )
        const { visits } = yield* workOf(home, isPruned)
        assert.isTrue(
          visits.usage_series > 0 && visits.usage_series <= MOST_SERIES && visits.usage_by_day <= MOST_SERIES,
        )
        // What a step looks for, and what it looks at of each.
        assert.isAtMost(step.visits.tool_usage_events, 3 * (50 + PROJECTS))
        assert.isAbove(step.writePlan.length, 20)
        for (const line of step.writePlan)
          assert.notMatch(line, /^SCAN (?!(json_each|pruned|rollup_state|store_identity)\b)/)
      }
    }),
  )

  it.effect("goes through the events once for each table of sums where the sums are proved", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(END)
      const events = 5000
      const home = yield* storeOf(events)
      const { visits, plan } = yield* workOf(
        home,
        Effect.flatMap(UsageRollups, ({ findDrift }) => findDrift),
      )
      assert.strictEqual(visits.tool_usage_events, 2 * events)
      // It would go through one side again for each row of the other.
      for (const line of plan) assert.notInclude(line, "RIGHT-JOIN")
    }),
  )
})
