import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import type { SpooledCall } from "../../src/domain/SpooledCall.ts"
import { PersistenceError } from "../../src/domain/StoreError.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { SpoolFiles } from "../../src/layers/files/SpoolFiles.ts"
import { rollUpRecent } from "../../src/layers/store/addToRollups.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { drainSpool } from "../../src/programs/record/spool.ts"
import { Spool } from "../../src/services/Spool.ts"
import { UsageRollups } from "../../src/services/StoreUpkeep.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"
import { sometimesIdentified, toolUse, toolUses } from "../support/toolUses.ts"

const withHome = (home: string) => Layer.merge(StoreMemory, Layer.provideMerge(SpoolFiles, homeAt(home)))

const nameOf = (place: number) => `${String(place).padStart(15, "0")}-1-a.json`

const spoolOf = (calls: ReadonlyArray<object>): string => {
  const home = temporaryFolder()
  mkdirSync(join(home, "spool"))
  for (const [place, call] of calls.entries()) writeFileSync(join(home, "spool", nameOf(place)), JSON.stringify(call))
  return home
}

/** Calls without an id, so that nothing but the drain keeps them from counting twice. */
const manyCalls = (count: number, fields: (place: number) => Partial<ToolUse> = () => ({})) =>
  Array.from({ length: count }, (_, place) => ({
    owed: "call" as const,
    use: toolUse({ sessionId: `session ${place}`, ...fields(place) }),
  }))

const identified = (place: number): Partial<ToolUse> => ({ toolUseId: `toolu_${place}` })
const rejected = (place: number): Partial<ToolUse> => ({ ...identified(place), toolName: "bad" })

const rejectEventsOf = (sql: SqlClient.SqlClient, toolName: string) =>
  sql.unsafe(`
    CREATE TRIGGER no BEFORE INSERT ON tool_usage_events WHEN new.tool_name = '${toolName}'
    BEGIN SELECT RAISE(ABORT, 'no'); END`)

const waiting = (home: string) => readdirSync(join(home, "spool")).filter((name) => name.endsWith(".json"))

const sessions = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql`SELECT session_id FROM tool_usage_events ORDER BY id`, (rows) => rows.map((row) => row.session_id)),
)

const aggregate = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql`SELECT sum(usage_count) AS n FROM tool_registry`, ([row]) => row?.n),
)

const rememberedCalls = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT * FROM drained_calls`)

/** The spool, with what is to happen under the write lock once so many calls were read. */
const watchedSpool = (onHold: (calls: number) => Effect.Effect<void>) =>
  Effect.map(Spool, (spool) => {
    let read = 0
    return {
      ...spool,
      read: (names: ReadonlyArray<string>) =>
        Effect.tap(spool.read(names), (calls) =>
          Effect.sync(() => {
            read = calls.length
          }),
        ),
      findGone: (names: ReadonlyArray<string>) =>
        Effect.zipLeft(
          spool.findGone(names),
          Effect.suspend(() => onHold(read)),
        ),
    }
  })

const collectLogs = () => {
  const logged: Array<string> = []
  return {
    logged,
    layer: Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => void logged.push(String(message))),
    ),
  }
}

const stored = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* rollUpRecent(sql)
  return {
    events: yield* sql`SELECT * FROM tool_usage_events ORDER BY id`,
    // An id that an upsert did not need is not given again, so only their order is the same.
    registry: (yield* sql`SELECT * FROM tool_registry ORDER BY id`).map((row) => ({ ...row, id: undefined })),
    projects: yield* sql`SELECT * FROM projects ORDER BY project_hash`,
    days: yield* sql`
      SELECT day, last_used, uses, failures, interruptions, duration_ms, series.tool_name, series.project_hash,
        series.agent, series.subagent, series.target, series.server_name
      FROM usage_by_day JOIN usage_series series ON id = series_id
      ORDER BY day, tool_name, project_hash, agent, subagent, target, server_name`,
    rollupDrift: yield* Effect.flatMap(UsageRollups, ({ findDrift }) => findDrift),
    remembered: yield* rememberedCalls,
  }
})

const drainOneByOne = Effect.iterate(
  { all: 0, last: 1 },
  {
    while: ({ last }) => last > 0,
    body: ({ all }) => Effect.map(drainSpool(1), (last) => ({ all: all + last, last })),
  },
).pipe(Effect.map(({ all }) => all))

describe("drainSpool", () => {
  it("leaves the same store in bulk as one by one, whatever is owed", () => {
    const servers = fc.constantFrom("given", "x", null)
    const spools = fc
      .record({
        uses: sometimesIdentified(toolUses(1e12, 30)).filter((uses) => uses.length > 0),
        repeats: fc.array(fc.tuple(fc.nat(), servers), { minLength: 60, maxLength: 90 }),
        owed: fc.array(fc.nat(149), { maxLength: 3 }),
      })
      .map(({ uses, repeats, owed }) =>
        [...uses, ...repeats.map(([n, serverName]) => ({ ...toolUse(), ...uses[n % uses.length], serverName }))].map(
          (use, place): SpooledCall => ({ owed: owed.includes(place) ? "aggregate" : "call", use }),
        ),
      )
    return fc.assert(
      fc.asyncProperty(spools, (calls) =>
        Effect.gen(function* () {
          const [bulk, single] = yield* Effect.all(
            [drainSpool(), drainOneByOne].map((drain) =>
              Effect.all({ drained: drain, stored }).pipe(Effect.provide(withHome(spoolOf(calls)))),
            ),
          )
          const timeless = (rows: ReadonlyArray<object> | undefined) =>
            rows?.map((row) => ({ ...row, updated_at: undefined }))
          assert.strictEqual(bulk?.drained, calls.length)
          assert.strictEqual(single?.drained, calls.length)
          assert.deepStrictEqual(
            { ...bulk?.stored, registry: timeless(bulk?.stored.registry) },
            { ...single?.stored, registry: timeless(single?.stored.registry) },
          )
          assert.isEmpty(bulk?.stored.rollupDrift)
          assert.isEmpty(bulk?.stored.remembered)
        }).pipe(Effect.runPromise),
      ),
      { numRuns: 15 },
    )
  })

  it.effect("stores a call of an older version, which did not say whether its duration is estimated", () => {
    const home = spoolOf([{ owed: "call", use: { ...toolUse(), durationIsEstimated: undefined } }])
    return Effect.gen(function* () {
      assert.strictEqual(yield* drainSpool(), 1)
      const { events } = yield* stored
      assert.strictEqual(events[0]?.duration_is_estimated, 0)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("counts many calls in the aggregate only, where that is all that is owed", () => {
    const home = spoolOf(manyCalls(120).map((call) => ({ ...call, owed: "aggregate" })))
    return Effect.gen(function* () {
      assert.strictEqual(yield* drainSpool(), 120)
      assert.isEmpty(yield* sessions)
      assert.strictEqual(yield* aggregate, 120)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("stores them oldest first, in batches of its own, and no more than it is told", () => {
    const home = spoolOf(manyCalls(700))
    return Effect.gen(function* () {
      assert.strictEqual(yield* drainSpool(100), 100)
      assert.lengthOf(waiting(home), 600)
      assert.strictEqual(yield* drainSpool(), 600)
      assert.isEmpty(waiting(home))
      assert.deepStrictEqual(
        yield* sessions,
        Array.from({ length: 700 }, (_, place) => `session ${place}`),
      )
      assert.strictEqual(yield* aggregate, 700)
      assert.isEmpty(yield* rememberedCalls)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("counts each call of a batch once that was cut short after its commit", () => {
    const home = spoolOf(manyCalls(120))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const name of waiting(home).slice(0, 60)) yield* sql`INSERT INTO drained_calls VALUES (${name})`
      assert.strictEqual(yield* drainSpool(), 60)
      assert.strictEqual((yield* sessions)[0], "session 60")
      assert.isEmpty(waiting(home))
      assert.isEmpty(yield* rememberedCalls)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("forgets the calls of a drain that was cut short after it removed their files, and no others", () => {
    const home = spoolOf(manyCalls(2, identified))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const place of [1, 2]) yield* sql`INSERT INTO drained_calls VALUES (${nameOf(place)})`
      assert.strictEqual(yield* drainSpool(1), 1)
      assert.deepStrictEqual(yield* rememberedCalls, [{ spool_name: nameOf(1) }])
      assert.strictEqual(yield* drainSpool(), 0)
      assert.isEmpty(waiting(home))
      assert.isEmpty(yield* rememberedCalls)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("has stored what it stored, also where the store is too busy to forget others' calls", () => {
    const home = spoolOf(manyCalls(1, identified))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO drained_calls VALUES (${nameOf(1)})`
      yield* sql`CREATE TRIGGER no BEFORE DELETE ON drained_calls BEGIN SELECT RAISE(ABORT, 'no'); END`
      assert.strictEqual(yield* drainSpool(), 1)
      assert.isEmpty(waiting(home))
      assert.lengthOf(yield* rememberedCalls, 1)
      assert.isTrue(existsSync(join(home, "spool", "reserve")))
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("keeps no call that it stored before it was cut short, also where the store rejects the others", () => {
    const home = spoolOf(manyCalls(2, (n) => ({ toolName: n === 1 ? "bad" : "Bash" })))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TRIGGER no BEFORE INSERT ON tool_registry BEGIN SELECT RAISE(ABORT, 'no'); END`
      yield* sql`INSERT INTO drained_calls VALUES (${nameOf(0)})`
      assert.strictEqual((yield* Effect.flip(drainSpool())).reason, "rejected")
      assert.deepStrictEqual(waiting(home), [nameOf(1)])
      assert.isEmpty(yield* rememberedCalls)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each<[string, ReadonlyArray<SpooledCall>]>([
    ["a few calls without an id", manyCalls(3)],
    ["many calls without an id", manyCalls(120)],
    ["many calls with an id", manyCalls(120, identified)],
    ["many calls, of which some have an id", manyCalls(120, (n) => (n % 2 === 0 ? identified(n) : {}))],
    ["a few calls with an id whose events are rejected", manyCalls(3, rejected)],
    ["many calls with an id whose events are rejected", manyCalls(120, rejected)],
    [
      "calls with an id whose events are rejected, among many that are owed to the aggregate",
      manyCalls(120, rejected).map((call, n) => (n % 3 === 0 ? call : { ...call, owed: "aggregate" })),
    ],
  ])("counts each of %s once, which another drain stores between their reading and their storing", ([, calls]) => {
    const home = spoolOf(calls)
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* rejectEventsOf(sql, "bad")
      const spool = yield* Spool
      const context = yield* Effect.context<Effect.Effect.Context<ReturnType<typeof drainSpool>>>()
      const late = {
        ...spool,
        read: (names: ReadonlyArray<string>) =>
          spool.read(names).pipe(
            Effect.zipLeft(Effect.provide(drainSpool(), context)),
            // What was rejected then would be taken now.
            Effect.zipLeft(Effect.orDie(sql`DROP TRIGGER no`)),
          ),
      }
      assert.strictEqual(yield* Effect.provideService(drainSpool(), Spool, late), 0)
      const withEvents = calls.filter(({ owed, use }) => owed === "call" && use.toolName !== "bad")
      assert.lengthOf(yield* sessions, withEvents.length)
      assert.strictEqual(yield* aggregate, calls.length)
      assert.isEmpty(waiting(home))
      assert.isEmpty(yield* rememberedCalls)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([3, 120])("remembers %i calls in the transaction that stores them", (count) => {
    const home = spoolOf(manyCalls(count))
    return Effect.gen(function* () {
      const spool = yield* Spool
      const failure = new PersistenceError({ operation: "remove", reason: "unavailable", cause: "no" })
      const stuck = { ...spool, remove: () => Effect.fail(failure) }
      const error = yield* Effect.flip(Effect.provideService(drainSpool(), Spool, stuck))
      assert.strictEqual(error.message, failure.message)
      assert.lengthOf(yield* rememberedCalls, count)
      assert.lengthOf(waiting(home), count)
      assert.strictEqual(yield* drainSpool(), 0)
      assert.lengthOf(yield* sessions, count)
      assert.isEmpty(waiting(home))
      assert.isEmpty(yield* rememberedCalls)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([3, 120])(
    "counts each of %i calls with an id once, and remembers those that have no event",
    (count) => {
      const calls: Array<SpooledCall> = manyCalls(count, (n) => ({
        toolUseId: `toolu_${n}`,
        toolName: n === 0 ? "bad" : "Bash",
      }))
      const home = spoolOf([...calls, { owed: "aggregate", use: toolUse({ toolUseId: "toolu_owed" }) }])
      const all = count + 1
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* rejectEventsOf(sql, "bad")
        const spool = yield* Spool
        const failure = new PersistenceError({ operation: "remove", reason: "unavailable", cause: "no" })
        for (const _ of [1, 2]) {
          const stuck = { ...spool, remove: () => Effect.fail(failure) }
          yield* Effect.flip(Effect.provideService(drainSpool(), Spool, stuck))
          assert.lengthOf(waiting(home), all)
          assert.deepStrictEqual(
            (yield* rememberedCalls).map(({ spool_name }) => spool_name),
            [nameOf(0), nameOf(count)],
          )
          assert.lengthOf(yield* sessions, count - 1)
          assert.strictEqual(yield* aggregate, all)
        }
        yield* drainSpool()
        assert.isEmpty(waiting(home))
        assert.lengthOf(yield* sessions, count - 1)
        assert.strictEqual(yield* aggregate, all)
        assert.isEmpty(yield* rememberedCalls)
      }).pipe(Effect.provide(withHome(home)))
    },
  )

  it.effect("holds the store for about 200 ms at a time, however long a call takes", () => {
    const home = spoolOf(manyCalls(10_050, identified))
    const sizes: Array<number> = []
    return Effect.gen(function* () {
      const slow = yield* watchedSpool((calls) => {
        sizes.push(calls)
        return TestClock.adjust(calls / 8)
      })
      assert.strictEqual(yield* Effect.provideService(drainSpool(), Spool, slow), 10_050)
      assert.deepStrictEqual(sizes, [8000, 1600, 450])
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([3, 120])("sets what cannot be read aside, of %i calls, and stores the rest", (count) => {
    const home = spoolOf(manyCalls(count))
    const { logged, layer } = collectLogs()
    writeFileSync(join(home, "spool", nameOf(1)), "{")
    return Effect.gen(function* () {
      assert.strictEqual(yield* drainSpool(), count - 1)
      assert.deepStrictEqual(yield* Effect.flatMap(Spool, (spool) => spool.listAside), [nameOf(1)])
      assert.deepStrictEqual(logged, [`the spooled call ${nameOf(1)} cannot be read; it is set aside`])
      assert.isEmpty(waiting(home))
    }).pipe(Effect.provide(Layer.merge(withHome(home), layer)))
  })

  it.effect.each([2, 3, 120, 500])(
    "sets a call aside, of %i, that the store rejects, and stores the rest in order",
    (count) => {
      const place = count - 2
      const home = spoolOf(manyCalls(count, (n) => ({ toolName: n === place ? "bad" : "Bash" })))
      const { logged, layer } = collectLogs()
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
        CREATE TRIGGER no BEFORE INSERT ON tool_registry WHEN new.name = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END`
        assert.strictEqual(yield* drainSpool(), count - 1)
        assert.deepStrictEqual(
          yield* sessions,
          Array.from({ length: count }, (_, n) => `session ${n}`).filter((_, n) => n !== place),
        )
        assert.strictEqual(yield* aggregate, count - 1)
        assert.deepStrictEqual(yield* Effect.flatMap(Spool, (spool) => spool.listAside), [nameOf(place)])
        assert.deepStrictEqual(logged, [
          `could not count a use of bad: no; the spooled call ${nameOf(place)} is rejected; it is set aside`,
        ])
        assert.isEmpty(waiting(home))
        assert.isEmpty(yield* rememberedCalls)
        assert.isEmpty(yield* Effect.flatMap(UsageRollups, ({ findDrift }) => findDrift))
      }).pipe(Effect.provide(Layer.merge(withHome(home), layer)))
    },
  )

  it.effect("counts a call whose event alone is rejected, as it is when it comes by itself", () => {
    const home = spoolOf(manyCalls(120, (n) => ({ toolName: n === 60 ? "bad" : "Bash" })))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* rejectEventsOf(sql, "bad")
      assert.strictEqual(yield* drainSpool(), 120)
      assert.lengthOf(yield* sessions, 119)
      assert.strictEqual(yield* aggregate, 120)
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.listAside))
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([1, 3, 120])("sets none of %i calls aside where the store rejects all", (count) => {
    const home = spoolOf(manyCalls(count))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TRIGGER no BEFORE INSERT ON tool_registry BEGIN SELECT RAISE(ABORT, 'no'); END`
      assert.strictEqual((yield* Effect.flip(drainSpool())).reason, "rejected")
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.listAside))
      assert.lengthOf(waiting(home), count)
      assert.isEmpty(yield* sessions)
      yield* sql`DROP TRIGGER no`
      assert.strictEqual(yield* drainSpool(), count)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([20, 120])("keeps all %i calls where the store has no room for all of them", (count) => {
    const home = spoolOf(manyCalls(count, (n) => ({ target: `${n}`.repeat(200) })))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Migrations leave pages without use.
      yield* sql`VACUUM`
      const [pages] = yield* sql`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${Number(pages?.page_count) + 1}`)
      const sizes: Array<number> = []
      const watched = yield* watchedSpool((calls) => Effect.sync(() => void sizes.push(calls)))
      const error = yield* Effect.flip(Effect.provideService(drainSpool(), Spool, watched))
      assert.strictEqual(error.reason, "unavailable", error.message)
      assert.deepStrictEqual(sizes, [count])
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.listAside))
      assert.lengthOf(waiting(home), count)
      assert.isEmpty(yield* sessions)
      yield* sql`PRAGMA max_page_count = 100000`
      assert.strictEqual(yield* drainSpool(), count)
      assert.lengthOf(yield* sessions, count)
    }).pipe(Effect.provide(withHome(home)))
  })
})
