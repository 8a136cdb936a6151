import { join } from "node:path"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { END, generateEvents, toolName } from "../../bench/scaleData.mjs"
import { AllProjects, type ProjectHash } from "../../src/domain/Project.ts"
import type * as Timestamp from "../../src/domain/Timestamp.ts"
import { type Store, StoreLive } from "../../src/layers/store/Store.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { Transaction } from "../../src/services/Transaction.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"
import { toolUse } from "../support/toolUses.ts"

const month = { amount: 30, unit: "days" } as const

/** A store of calls as the benchmark has them, so many in each 30 days that a month's durations come from buckets. */
const EVENTS = 160_000

/** From the last calls of a day and an hour that windows cut: 1/720 of a month each. */
const FEW_EVENTS = EVENTS / 100

const storeAt = (home: string) =>
  Layer.provide(StoreLive({ busyTimeoutMillis: 100, checkpointPages: 20_000, whenMissing: "create" }), homeAt(home))

const makeStore = Effect.gen(function* () {
  const uses = [...generateEvents(EVENTS)].map((event) =>
    toolUse({
      toolName: event.tool,
      sessionId: event.session,
      projectHash: event.project as ProjectHash,
      projectRoot: null,
      usedAt: event.at as Timestamp.Timestamp,
      toolUseId: event.id,
      durationMs: event.duration,
      subagent: event.subagent,
    }),
  )
  const { atomically } = yield* Transaction
  yield* atomically(recordToolUses(uses))
}).pipe((make) => {
  const home = temporaryFolder()
  return Effect.as(Effect.provide(make, storeAt(home)), home)
})

/**
 * How many events a question looks at: its statements are run once more on a view that calls a function for every row that no
 * index ruled out.
 */
const eventsLookedAt = <A, E>(home: string, question: Effect.Effect<A, E, Store>) =>
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
    let events = 0
    database.function("visit", (_id) => {
      events++
      return 1
    })
    database.exec("CREATE TEMP VIEW tool_usage_events AS SELECT * FROM main.tool_usage_events WHERE visit(id)")
    const asked = statements.filter(([sql]) => /^\s*(SELECT|WITH)/.test(sql))
    assert.isNotEmpty(asked)
    for (const [sql, parameters] of asked) database.prepare(sql).all(...parameters)
    database.close()
    return events
  })

describe("the work that a question makes", () => {
  it.effect("is that of sums and few calls, whatever the window", () =>
    Effect.gen(function* () {
      const home = yield* makeStore
      yield* TestClock.setTime(END)
      const events = <A, E>(ask: (service: typeof UsageEvents.Service) => Effect.Effect<A, E>) =>
        Effect.flatMap(UsageEvents, ask)
      const reports = <A, E>(ask: (service: typeof UsageReports.Service) => Effect.Effect<A, E>) =>
        Effect.flatMap(UsageReports, ask)
      const questions: Record<string, Effect.Effect<unknown, { readonly message: string }, Store>> = {
        getUsageSince: events((service) => service.getUsageSince(AllProjects, month)),
        getUsageForTool: events((service) => service.getUsageForTool(toolName(0), AllProjects, month)),
        getNewestSession: events((service) => service.getNewestSession),
        getNewest: events((service) => service.getNewest(AllProjects, 20)),
        "the report by tool": reports((service) => service.getReport("tool", AllProjects, month)),
        "the report by server": reports((service) => service.getReport("server", AllProjects, month)),
        // Its own durations, exact up to 50,000 calls, and 25 sessions of 150 calls.
        "the report of a tool": reports((service) => service.getToolReport(toolName(0), AllProjects, month)),
        trend: reports((service) =>
          service.getTrend({ tool: Option.none(), project: AllProjects, window: month, unit: "day" }),
        ),
      }
      for (const [name, question] of Object.entries(questions)) {
        const most = name === "the report of a tool" ? EVENTS / 10 : FEW_EVENTS
        assert.isAtMost(yield* eventsLookedAt(home, question), most, name)
      }
      // To prove the measure: by day, sessions are counted from the calls.
      const byDay = reports((service) => service.getReport("day", AllProjects, month))
      assert.isAbove(yield* eventsLookedAt(home, byDay), EVENTS / 4)
    }),
  )
})
