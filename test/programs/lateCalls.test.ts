import { cpSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { TestContext } from "effect/TestContext"
import * as fc from "fast-check"
import { discoveredTool } from "../../src/domain/discoveredTool.ts"
import { AllProjects } from "../../src/domain/Project.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { previewPrune } from "../../src/programs/upkeep/prune.ts"
import { Retention } from "../../src/services/Retention.ts"
import { UsageRollups } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { hookPayload, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { everything, pruneAt } from "../support/pruning.ts"
import { changeStore, readStore, totals } from "../support/store.ts"
import { toolUse, toolUses } from "../support/toolUses.ts"
import { finishedCall, realTranscripts, writeLines } from "../support/transcripts.ts"
import { exportTo, importFrom, inStore } from "../support/transfer.ts"

const now = Date.UTC(2026, 10, 23, 12, 34, 56)

const trendTotal = async (home: string) => {
  const { stdout } = await runCli(home, ["trend", "--all-projects", "--since", "20y", "--json"])
  const points: ReadonlyArray<{ usage_count: number }> = JSON.parse(stdout)
  return points.reduce((sum, { usage_count }) => sum + usage_count, 0)
}

const pruneNow = async (home: string, age: string) => {
  const { code, stdout } = await runCli(home, ["prune", "--older-than", age, "--json"])
  assert.strictEqual(code, 0)
  return JSON.parse(stdout).events
}

describe("old calls that come after a prune", () => {
  it("count once each, however often they come, one by one or in bulk, with prunes and sums made anew in between", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            uses: toolUses(now, 40),
            inBulk: fc.boolean(),
            next: fc.constantFrom("prune", "prune more", "make sums anew", "nothing"),
          }),
          { minLength: 2, maxLength: 6 },
        ),
        (rounds) => {
          const take = (pruning: boolean) =>
            Effect.gen(function* () {
              yield* TestClock.setTime(now)
              const states: Array<unknown> = []
              for (const { uses, inBulk, next } of rounds) {
                if (inBulk) yield* recordToolUses(uses)
                else yield* Effect.forEach(uses, recordToolUse, { discard: true })
                states.push(yield* everything)
                if (!pruning) continue
                if (next === "prune") yield* pruneAt(now, 20)
                if (next === "prune more") yield* pruneAt(now, 5)
                if (next === "make sums anew") {
                  const { reset, fillStep } = yield* UsageRollups
                  yield* reset
                  yield* fillStep(5)
                }
              }
              states.push(yield* everything)
              assert.deepStrictEqual(yield* (yield* ToolRegistry).findDrift, [])
              assert.deepStrictEqual(yield* (yield* UsageRollups).findDrift, [])
              return states
            }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise)
          return Promise.all([take(true), take(false)]).then(([pruned, whole]) => assert.deepStrictEqual(pruned, whole))
        },
      ),
      { numRuns: 40, seed: 20_261_123 },
    ))

  it.effect("are pruned by the next, and are known from then on, whatever time they come with", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const old = (id: string, time = "2026-10-01 12:00:00") =>
        toolUse({ toolUseId: id, usedAt: time as Timestamp.Timestamp })
      yield* recordToolUse(old("a"))
      assert.strictEqual((yield* pruneAt(now, 20)).events, 1)
      assert.strictEqual(yield* recordToolUse(old("b")), "recorded")
      assert.strictEqual(yield* recordToolUses([old("a"), old("c"), old("d")]), 2)
      assert.strictEqual((yield* pruneAt(now, 20)).events, 3)
      for (const id of ["a", "b", "c", "d"]) {
        assert.strictEqual(yield* recordToolUse(old(id)), "known")
        assert.strictEqual(yield* recordToolUse(old(id, "2026-11-22 00:00:01")), "known")
      }
      assert.strictEqual(yield* recordToolUses([old("d", "2026-11-22 00:00:01"), old("e")]), 1)
      const { trends } = yield* everything
      assert.strictEqual(
        trends[0]?.reduce((sum, { usage_count }) => sum + usage_count, 0),
        5,
      )
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("stay where a later prune asks for older ones only", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const at = (age: number) => toolUse({ usedAt: Timestamp.fromEpochMillis(now - age * 86_400_000) })
      yield* recordToolUse(at(40))
      yield* pruneAt(now, 30)
      yield* Effect.forEach([at(60), at(35), at(250)], recordToolUse)
      assert.strictEqual((yield* previewPrune({ amount: 180, unit: "days" })).events, 1)
      assert.strictEqual((yield* pruneAt(now, 180)).events, 1)
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT count(*) AS events FROM tool_usage_events`, [{ events: 2 }])
      assert.strictEqual((yield* pruneAt(now, 30)).events, 2)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("are no reason for a day to count as pruned that was not", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* recordToolUse(toolUse({ usedAt: Timestamp.fromEpochMillis(now) }))
      const { prunedBefore } = yield* Retention
      assert.strictEqual((yield* pruneAt(now, 20)).events, 0)
      deepStrictEqual(yield* prunedBefore({ project: AllProjects }), Option.none())
      yield* recordToolUse(toolUse({ toolUseId: "a", usedAt: "2026-10-01 12:00:00" as Timestamp.Timestamp }))
      assert.strictEqual((yield* pruneAt(now, 20)).events, 1)
      deepStrictEqual(yield* prunedBefore({ project: AllProjects }), Option.some("2026-11-03"))
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("are recorded by a first import, and known to a second from other files", async () => {
    const home = temporaryFolder()
    await runHook(home, hookPayload("young"))
    assert.strictEqual(await pruneNow(home, "30d"), 0)
    const first = await runCli(home, ["import", realTranscripts])
    assert.match(first.stdout, /^Recorded 37 calls .*\b0 known already/)
    assert.strictEqual(await pruneNow(home, "30d"), 37)
    assert.deepStrictEqual([totals(home).events, totals(home).aggregate, await trendTotal(home)], [1, 38, 38])
    const copies = join(temporaryFolder(), "copies")
    cpSync(realTranscripts, copies, { recursive: true })
    const second = await runCli(home, ["import", copies])
    assert.match(second.stdout, /^Recorded 0 calls .*\b37 known already/)
    assert.deepStrictEqual([totals(home).events, totals(home).aggregate, await trendTotal(home)], [1, 38, 38])
  })

  it.effect("are known to the store that exported them, with an id or without", () =>
    Effect.gen(function* () {
      const home = temporaryFolder()
      const file = join(temporaryFolder(), "calls.jsonl")
      const uses = fc.sample(toolUses(Date.UTC(2020, 5), 40), { numRuns: 20, seed: 5 }).flat()
      yield* inStore(home, Effect.forEach(uses, recordToolUse, { discard: true }))
      const { events } = yield* exportTo(home, file)
      const before = totals(home)
      assert.isTrue(uses.some(({ toolUseId }) => toolUseId === null) && events > 20)
      yield* Effect.promise(() => pruneNow(home, "1d"))
      assert.deepStrictEqual(totals(home), { events: 0, successes: 0, aggregate: before.aggregate })
      const again = yield* importFrom(home, file)
      assert.deepStrictEqual([again.recorded, again.already_known], [0, events])
      assert.deepStrictEqual(totals(home), { events: 0, successes: 0, aggregate: before.aggregate })
    }),
  )

  it.effect("are not what an export of what is left counts: who takes both has each once, in either order", () =>
    Effect.gen(function* () {
      const [from, ...others] = [temporaryFolder(), temporaryFolder(), temporaryFolder()]
      const [whole, rest] = ["whole", "rest"].map((name) => join(temporaryFolder(), `${name}.jsonl`)) as [
        string,
        string,
      ]
      const at = (year: number, toolUseId: string | null) =>
        toolUse({ toolUseId, usedAt: Timestamp.fromEpochMillis(Date.UTC(year, 0)) })
      const counted = { ...toolUse(), usedAt: Timestamp.fromEpochMillis(0) }
      yield* inStore(
        from,
        Effect.gen(function* () {
          yield* Effect.forEach([at(2020, "a"), at(2020, null), at(2021, "b")], recordToolUse)
          yield* recordToolUse({ ...at(2020, "c"), toolName: "Read" })
          // A use without an event is one of the baseline still.
          const { recordOrCreate } = yield* ToolRegistry
          yield* recordOrCreate(discoveredTool(counted), counted.usedAt, { hasEvent: false })
        }),
      )
      yield* exportTo(from, whole)
      yield* Effect.promise(() => pruneNow(from, "1d"))
      yield* exportTo(from, rest)
      const counts = (home: string) =>
        readStore(home, (all) => all("SELECT name, usage_count FROM tool_registry ORDER BY name"))
      const expected = [
        { name: "Bash", usage_count: 4 },
        { name: "Read", usage_count: 1 },
      ]
      assert.deepStrictEqual(counts(from), expected)
      for (const [place, files] of [
        [whole, rest],
        [rest, whole],
      ].entries()) {
        const home = others[place] ?? ""
        yield* Effect.forEach(files, (file) => importFrom(home, file))
        assert.deepStrictEqual(counts(home), expected)
        assert.deepStrictEqual(
          yield* inStore(
            home,
            Effect.flatMap(ToolRegistry, ({ findDrift }) => findDrift),
          ),
          [],
        )
      }
    }),
  )

  it("count once in each of two stores that take each other's exports, whatever each has pruned", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({
              store: fc.constantFrom(0, 1),
              action: fc.constant("record" as const),
              ids: fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }),
            }),
            fc.record({ store: fc.constantFrom(0, 1), action: fc.constantFrom("prune" as const, "send" as const) }),
          ),
          { minLength: 4, maxLength: 9 },
        ),
        (actions) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(now)
            // They are of a year each, and a prune takes all but two.
            const call = (id: number) =>
              toolUse({
                toolName: id % 2 === 0 ? "Bash" : "Read",
                toolUseId: `call-${id}`,
                usedAt: (id < 8 ? `20${10 + id}-01-01 00:00:00` : "2999-01-01 00:00:00") as Timestamp.Timestamp,
              })
            const stores = [0, 1].map(() => ({
              home: temporaryFolder(),
              known: new Set<number>(),
              left: new Set<number>(),
            }))
            for (const { store, action, ...rest } of actions) {
              const [from, to] = [stores[store], stores[1 - store]]
              if (from === undefined || to === undefined) continue
              const take = (ids: Iterable<number>, { known, left }: typeof from) => {
                for (const id of ids) {
                  if (!known.has(id)) left.add(id)
                  known.add(id)
                }
              }
              if ("ids" in rest) {
                yield* inStore(from.home, recordToolUses(rest.ids.map(call)))
                take(rest.ids, from)
              } else if (action === "prune") {
                yield* inStore(from.home, pruneAt(now, 20))
                for (const id of from.left) if (id < 8) from.left.delete(id)
              } else {
                const file = join(temporaryFolder(), "calls.jsonl")
                yield* exportTo(from.home, file)
                yield* importFrom(to.home, file)
                take(from.left, to)
              }
              for (const { home, known, left } of stores) {
                if (known.size > 0) {
                  assert.deepInclude(totals(home), { events: left.size, aggregate: known.size })
                }
              }
            }
          }).pipe(Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 12, seed: 20_261_128 },
    ))

  it("are no more than their names in the file: less than a fifth of the space", async () => {
    const home = temporaryFolder()
    const calls = Array.from({ length: 20_000 }, (_, n) =>
      toolUse({
        toolUseId: `toolu_01${String(n * 7919).padStart(22, "x")}`,
        sessionId: `8bbcceab-0b3e-4e24-98c9-${String(Math.floor(n / 150)).padStart(12, "0")}`,
        usedAt: Timestamp.fromEpochMillis(Date.UTC(2020, 0) + n * 60_000),
      }),
    )
    await Effect.runPromise(inStore(home, recordToolUses(calls)))
    const pages = () => readStore(home, (all) => Number(all("PRAGMA page_count")[0]?.page_count))
    const sizeOf = (table: string) =>
      readStore(home, (all) => Number(all(`SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = '${table}'`)[0]?.bytes))
    const before = pages()
    await pruneNow(home, "1d")
    assert.isBelow(pages(), before / 5)
    assert.isBelow(sizeOf("pruned_calls"), 80 * calls.length)
  })
})

describe("calls that were never counted", () => {
  it.effect("are when they are pruned", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const sql = yield* SqlClient.SqlClient
      yield* recordToolUse(toolUse({ usedAt: "2026-10-01 12:00:00" as Timestamp.Timestamp }))
      for (const tool of ["Bash", "mcp__github__search", "mcp__github__search"]) {
        yield* sql`INSERT INTO tool_usage_events (tool_name, created_at) VALUES (${tool}, '2026-10-02 12:00:00')`
      }
      assert.strictEqual((yield* pruneAt(now, 20)).events, 4)
      const rows = yield* sql`
        SELECT name, tool_type, usage_count, pruned_count, last_used_at FROM tool_registry WHERE project_hash IS NULL
        ORDER BY name`
      assert.deepStrictEqual(rows, [
        { name: "Bash", tool_type: "builtin", usage_count: 1, pruned_count: 1, last_used_at: "2026-10-02 12:00:00" },
        {
          name: "mcp__github__search",
          tool_type: "mcp_tool",
          usage_count: 2,
          pruned_count: 2,
          last_used_at: "2026-10-02 12:00:00",
        },
      ])
      assert.deepStrictEqual(yield* (yield* ToolRegistry).findDrift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )
})

describe("a store whose calls an older program pruned", () => {
  const prunedByOlder = (sql: SqlClient.SqlClient) => sql`
    UPDATE rollup_state SET forgotten_before = '2026-11-03', pruned_before = '2026-11-03'`

  it.effect("takes calls of that time for pruned, because it does not know them apart", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* prunedByOlder(yield* SqlClient.SqlClient)
      const at = (time: string) => toolUse({ usedAt: time as Timestamp.Timestamp, toolUseId: time })
      assert.strictEqual(yield* recordToolUse(at("2026-11-02 23:59:59")), "known")
      assert.strictEqual(yield* recordToolUses([at("2026-11-02 23:59:58"), at("2026-11-03 00:00:00")]), 1)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("says so when it takes them for known", async () => {
    const home = temporaryFolder()
    await runHook(home, hookPayload("young"))
    const file = (id: string, millis: number) =>
      writeLines(join(temporaryFolder(), `${id}.jsonl`), finishedCall(id, { millis }))
    changeStore(home, "UPDATE rollup_state SET forgotten_before = '2020-01-01', pruned_before = '2020-01-01'")
    const young = await runCli(home, ["import", file("a", Date.now())])
    assert.deepStrictEqual([young.code, young.stderr], [0, ""])
    const old = await runCli(home, ["import", file("b", Date.UTC(2019, 1))])
    assert.match(old.stdout, /^Recorded 0 calls .*\b1 known already/)
    assert.match(
      old.stderr,
      /^tooltrail: calls from before 2020-01-01 were pruned by an older tooltrail, .* count as known\n$/,
    )
  })
})
