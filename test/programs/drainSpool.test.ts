import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as fc from "fast-check"
import { PersistenceError } from "../../src/domain/StoreError.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { SpoolFiles } from "../../src/layers/files/SpoolFiles.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { drainSpool } from "../../src/programs/record/drainSpool.ts"
import { Spool } from "../../src/services/Spool.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"
import { toolUse, toolUses } from "../support/toolUses.ts"

const withHome = (home: string) => Layer.merge(StoreMemory, Layer.provideMerge(SpoolFiles, homeAt(home)))

const nameOf = (place: number) => `${String(place).padStart(15, "0")}-1-a.json`

const spoolOf = (uses: ReadonlyArray<object>): string => {
  const home = temporaryFolder()
  mkdirSync(join(home, "spool"))
  for (const [place, use] of uses.entries()) writeFileSync(join(home, "spool", nameOf(place)), JSON.stringify(use))
  return home
}

const manyCalls = (count: number, fields: (place: number) => Partial<ToolUse> = () => ({})) =>
  Array.from({ length: count }, (_, place) => toolUse({ sessionId: `session ${place}`, ...fields(place) }))

const rejectEventsOf = (sql: SqlClient.SqlClient, toolName: string) =>
  sql.unsafe(`
    CREATE TRIGGER no BEFORE INSERT ON tool_usage_events WHEN new.tool_name = '${toolName}'
    BEGIN SELECT RAISE(ABORT, 'no'); END`)

const rejectCounts = (sql: SqlClient.SqlClient, condition = "true") =>
  sql.unsafe(`CREATE TRIGGER no BEFORE INSERT ON tool_registry WHEN ${condition} BEGIN SELECT RAISE(ABORT, 'no'); END`)

const waiting = (home: string) => readdirSync(join(home, "spool")).filter((name) => name.endsWith(".json"))

const sessions = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql`SELECT session_id FROM tool_usage_events ORDER BY id`, (rows) => rows.map((row) => row.session_id)),
)

const aggregate = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql`SELECT sum(usage_count) AS n FROM tool_registry`, ([row]) => row?.n),
)

const assertProved = Effect.gen(function* () {
  assert.isEmpty(yield* (yield* ToolRegistry).findDrift)
  assert.isEmpty(yield* (yield* StoreUpkeep).findSumDrift)
})

const collectLogs = () => {
  const logged: Array<string> = []
  const layer = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => void logged.push(String(message))),
  )
  return { logged, layer }
}

const stored = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* (yield* StoreUpkeep).foldSums
  yield* assertProved
  return {
    events: yield* sql`SELECT * FROM tool_usage_events ORDER BY id`,
    // An id that an upsert did not need is not given again, so only their order is the same.
    registry: (yield* sql`SELECT * FROM tool_registry ORDER BY id`).map((row) => ({
      ...row,
      id: undefined,
      updated_at: undefined,
    })),
    projects: yield* sql`SELECT * FROM projects ORDER BY project_hash`,
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
  it("leaves the same store in bulk as one by one", () => {
    const spools = fc
      .record({
        uses: toolUses(1e12, 30).filter((uses) => uses.length > 0),
        repeats: fc.array(fc.tuple(fc.nat(), fc.constantFrom("given", "x", null)), { maxLength: 90 }),
      })
      .map(({ uses, repeats }) => [
        ...uses,
        ...repeats.map(([n, serverName]) => ({ ...toolUse(), ...uses[n % uses.length], serverName })),
      ])
    return fc.assert(
      fc.asyncProperty(spools, (uses) =>
        Effect.gen(function* () {
          const [bulk, single] = yield* Effect.all(
            [drainSpool(), drainOneByOne].map((drain) =>
              Effect.all({ drained: drain, stored }).pipe(Effect.provide(withHome(spoolOf(uses)))),
            ),
          )
          assert.strictEqual(bulk?.drained, uses.length)
          assert.deepStrictEqual(bulk, single)
        }).pipe(Effect.runPromise),
      ),
      { numRuns: 15 },
    )
  })

  it.effect("stores them oldest first, and no more than it is told", () => {
    const home = spoolOf(manyCalls(1300))
    return Effect.gen(function* () {
      assert.strictEqual(yield* drainSpool(100), 100)
      assert.lengthOf(waiting(home), 1200)
      assert.strictEqual(yield* drainSpool(), 1200)
      assert.isEmpty(waiting(home))
      assert.deepStrictEqual(
        yield* sessions,
        Array.from({ length: 1300 }, (_, place) => `session ${place}`),
      )
      assert.strictEqual(yield* aggregate, 1300)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([3, 120])("counts each of %i calls once if it is cut short after it stored them", (count) => {
    const home = spoolOf(manyCalls(count))
    return Effect.gen(function* () {
      const spool = yield* Spool
      const failure = new PersistenceError({ operation: "remove", reason: "unavailable", cause: "no" })
      const stuck = { ...spool, remove: () => Effect.fail(failure) }
      const error = yield* Effect.flip(Effect.provideService(drainSpool(), Spool, stuck))
      assert.strictEqual(error.message, failure.message)
      assert.lengthOf(waiting(home), count)
      assert.strictEqual(yield* drainSpool(), count)
      assert.lengthOf(yield* sessions, count)
      assert.strictEqual(yield* aggregate, count)
      assert.isEmpty(waiting(home))
      yield* assertProved
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([3, 120])(
    "counts each of %i calls once that another drain stores after this one read them",
    (count) => {
      const home = spoolOf(manyCalls(count))
      return Effect.gen(function* () {
        const spool = yield* Spool
        const context = yield* Effect.context<Effect.Effect.Context<ReturnType<typeof drainSpool>>>()
        const late = {
          ...spool,
          read: (names: ReadonlyArray<string>) =>
            Effect.zipLeft(spool.read(names), Effect.provide(drainSpool(), context)),
        }
        yield* Effect.provideService(drainSpool(), Spool, late)
        assert.lengthOf(yield* sessions, count)
        assert.strictEqual(yield* aggregate, count)
        assert.isEmpty(waiting(home))
      }).pipe(Effect.provide(withHome(home)))
    },
  )

  it.effect.each([1, 3, 120])("counts %i calls whose events are stored and whose aggregate is behind", (count) => {
    const uses = manyCalls(count)
    const home = spoolOf(uses)
    return Effect.gen(function* () {
      const { insert } = yield* UsageEvents
      yield* Effect.forEach(uses, insert)
      assert.strictEqual(yield* drainSpool(), count)
      assert.strictEqual(yield* aggregate, count)
      assert.lengthOf(yield* sessions, count)
      yield* assertProved
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
        yield* rejectCounts(yield* SqlClient.SqlClient, "new.name = 'bad'")
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
        yield* assertProved
      }).pipe(Effect.provide(Layer.merge(withHome(home), layer)))
    },
  )

  it.effect("counts a call whose event alone is rejected, as it does for a call that comes by itself", () => {
    const home = spoolOf(manyCalls(120, (n) => ({ toolName: n === 60 ? "bad" : "Bash" })))
    return Effect.gen(function* () {
      yield* rejectEventsOf(yield* SqlClient.SqlClient, "bad")
      assert.strictEqual(yield* drainSpool(), 120)
      assert.lengthOf(yield* sessions, 119)
      assert.strictEqual(yield* aggregate, 120)
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.listAside))
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([1, 3, 120])("sets none of %i calls aside if the store rejects all", (count) => {
    const home = spoolOf(manyCalls(count))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* rejectCounts(sql)
      assert.strictEqual((yield* Effect.flip(drainSpool())).reason, "rejected")
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.listAside))
      assert.lengthOf(waiting(home), count)
      assert.isEmpty(yield* sessions)
      yield* sql`DROP TRIGGER no`
      assert.strictEqual(yield* drainSpool(), count)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each([20, 120])("keeps all %i calls if the store has no room for all of them", (count) => {
    const home = spoolOf(manyCalls(count, (n) => ({ target: `${n}`.repeat(200) })))
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Migrations leave pages without use.
      yield* sql`VACUUM`
      const [pages] = yield* sql`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${Number(pages?.page_count) + 1}`)
      const error = yield* Effect.flip(drainSpool())
      assert.strictEqual(error.reason, "unavailable", error.message)
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.listAside))
      assert.lengthOf(waiting(home), count)
      assert.isEmpty(yield* sessions)
      yield* sql`PRAGMA max_page_count = 100000`
      assert.strictEqual(yield* drainSpool(), count)
      assert.lengthOf(yield* sessions, count)
    }).pipe(Effect.provide(withHome(home)))
  })
})
