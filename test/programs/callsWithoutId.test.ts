import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { TestContext } from "effect/TestContext"
import * as fc from "fast-check"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import type { TransferFormat } from "../../src/domain/transferText.ts"
import { StoreLive, StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { UsageRollups } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { homeAt } from "../support/home.ts"
import { hookPayload, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { pruneAt } from "../support/pruning.ts"
import { totals } from "../support/store.ts"
import { toolUse } from "../support/toolUses.ts"
import { finishedCall, writeLines } from "../support/transcripts.ts"
import { exportTo, importFrom, inStore, query } from "../support/transfer.ts"

const now = Date.UTC(2026, 10, 23, 12, 34, 56)

const CALLS = 6

/** A prune leaves the last two. Two of them are of one kind and seconds apart. */
const timeOf = (call: number) =>
  call < CALLS - 2 ? Date.UTC(2020, 0, 1) + Math.floor(call / 2) * 86_400_000 + (call % 2) * 8000 : now + call * 10_000

const asHook = (call: number): ToolUse => toolUse({ usedAt: Timestamp.fromEpochMillis(timeOf(call)) })

const asTranscript = (call: number): ToolUse =>
  toolUse({
    toolUseId: `call-${call}`,
    usedAt: Timestamp.fromEpochMillis(timeOf(call) - 1000),
    durationMs: 100,
    durationIsEstimated: true,
    source: "transcript",
  })

const readTranscript = (calls: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const { identifyHookCalls } = yield* UsageEvents
    const uses = calls.map(asTranscript)
    yield* identifyHookCalls(uses)
    return yield* recordToolUses(uses)
  })

const isKeptByPrune = (call: number) => call >= CALLS - 2

describe("calls that the hook told of without an id", () => {
  it.effect("are known by the transcript that is read after they were pruned", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* recordToolUse(asHook(0))
      yield* recordToolUse(asHook(1))
      yield* recordToolUse({ ...asHook(1), sessionId: "other" })
      yield* recordToolUse({ ...asHook(1), toolName: "Read" })
      assert.strictEqual((yield* pruneAt(now, 20)).events, 4)
      // Two of these four are those of the session and the tool, and the third is of another day.
      assert.strictEqual(yield* readTranscript([0, 1, 2]), 1)
      assert.strictEqual(yield* readTranscript([0, 1, 2]), 0)
      assert.deepStrictEqual(yield* (yield* ToolRegistry).findDrift, [])
      assert.deepStrictEqual(yield* (yield* UsageRollups).findDrift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("are not given the id of a call that is pruned", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* recordToolUse({ ...asTranscript(0), source: "hook" })
      yield* pruneAt(now, 20)
      yield* recordToolUse({ ...asHook(1), usedAt: Timestamp.fromEpochMillis(timeOf(0)) })
      const next: ToolUse = {
        ...asTranscript(0),
        toolUseId: "next",
        usedAt: Timestamp.fromEpochMillis(timeOf(0) + 4000),
      }
      const { identifyHookCalls, getSources } = yield* UsageEvents
      yield* identifyHookCalls([asTranscript(0), next])
      assert.deepStrictEqual([...(yield* getSources("claude-code", ["next", "call-0"]))].sort(), [
        ["call-0", "pruned"],
        ["next", "hook"],
      ])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("count once by the command line as well, with a prune between hook and transcript", async () => {
    const home = temporaryFolder()
    await Effect.runPromise(inStore(home, recordToolUse(asHook(0))))
    const pruned = await runCli(home, ["prune", "--older-than", "30d", "--json"])
    assert.strictEqual(JSON.parse(pruned.stdout).events, 1)
    const transcript = writeLines(
      join(temporaryFolder(), "session-1.jsonl"),
      finishedCall("a", { sessionId: "session-1", millis: timeOf(0) - 1500 }),
    )
    const { stdout } = await runCli(home, ["import", transcript])
    assert.match(stdout, /^Recorded 0 calls .*\b1 known already/)
    assert.deepStrictEqual(totals(home), { events: 0, successes: 0, aggregate: 1 })
  })

  it.effect("are known where their transcript was read before, one by one and in bulk, each for one call", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      assert.strictEqual(yield* readTranscript([0, 1, 2]), 3)
      const others: ReadonlyArray<Partial<ToolUse>> = [
        { sessionId: "other" },
        { sessionId: null },
        { toolName: "Read" },
        { agent: "codex" },
        { source: "library" },
        { usedAt: Timestamp.fromEpochMillis(timeOf(0) - 7000) },
      ]
      for (const other of others) assert.strictEqual(yield* recordToolUse({ ...asHook(0), ...other }), "recorded")
      assert.strictEqual(yield* recordToolUse(asHook(0)), "known")
      assert.strictEqual(yield* recordToolUse(asHook(0)), "recorded")
      assert.strictEqual(yield* recordToolUses([asHook(1), asHook(2), asHook(2)]), 1)
      assert.strictEqual(yield* readTranscript([0, 1, 2]), 0)
      const { getSources } = yield* UsageEvents
      assert.deepStrictEqual(
        [...(yield* getSources("claude-code", ["call-0", "call-1", "call-2"])).values()],
        ["hook", "hook", "hook"],
      )
      assert.deepStrictEqual(yield* (yield* ToolRegistry).findDrift, [])
      assert.deepStrictEqual(yield* (yield* UsageRollups).findDrift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("are all known where each is told of later than the transcript says, whichever comes first", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const calls = [0, 1, 2, 3]
      const at = (seconds: number) => Timestamp.fromEpochMillis(timeOf(0) + seconds * 1000)
      for (const sessionId of ["hook first", "transcript first"]) {
        const hooked = calls.map((call): ToolUse => ({ ...asHook(0), sessionId, usedAt: at(call + 3) }))
        const shown = calls.map(
          (call): ToolUse => ({ ...asTranscript(0), sessionId, toolUseId: `${sessionId} ${call}`, usedAt: at(call) }),
        )
        const { identifyHookCalls } = yield* UsageEvents
        const read = Effect.zipRight(identifyHookCalls(shown), recordToolUses(shown))
        const hook = Effect.forEach(hooked, recordToolUse)
        yield* sessionId === "hook first" ? Effect.zipRight(hook, read) : Effect.zipRight(read, hook)
        const { getUsageForSession } = yield* UsageEvents
        assert.strictEqual((yield* getUsageForSession(sessionId))[0]?.usage_count, 4)
      }
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("are taken for another hook's only where both tell the same of it, in whatever order they come", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const calls: ReadonlyArray<Partial<ToolUse>> = [
        {},
        { success: false, failureKind: "error" },
        { target: "pdf" },
        { subagent: "Explore" },
        { durationMs: 7 },
      ]
      const told = calls.flatMap((call) => [
        { ...asHook(0), ...call },
        { ...asHook(0), ...call, source: "plugin" as const },
      ])
      const sql = yield* SqlClient.SqlClient
      for (const order of fc.sample(fc.shuffledSubarray(told, { minLength: told.length }), { numRuns: 20, seed: 5 })) {
        yield* sql`DELETE FROM tool_usage_events`
        yield* Effect.forEach(order, recordToolUse)
        assert.deepStrictEqual(
          yield* sql`
            SELECT success, target, subagent, duration_ms, source FROM tool_usage_events ORDER BY 1, 2, 3, 4`.values,
          [
            [0, null, null, null, "hook+plugin"],
            [1, null, null, null, "hook+plugin"],
            [1, null, null, 7, "hook+plugin"],
            [1, null, "Explore", null, "hook+plugin"],
            [1, "pdf", null, null, "hook+plugin"],
          ],
        )
      }
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("are taken for the call of the same outcome where there are two, whichever is told of first", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const at = (seconds: number) => Timestamp.fromEpochMillis(timeOf(0) + seconds * 1000)
      const shown: ReadonlyArray<ToolUse> = [
        { ...asTranscript(0), usedAt: at(0) },
        { ...asTranscript(1), usedAt: at(3), success: false, failureKind: "error" },
      ]
      const failed: ToolUse = { ...asHook(0), success: false, failureKind: "error" }
      const { identifyHookCalls, getUsageForSession, getSources } = yield* UsageEvents
      const outcome = Effect.gen(function* () {
        const [stats] = yield* getUsageForSession("session-1")
        return [stats?.usage_count, stats?.failures, (yield* getSources("claude-code", ["call-1"])).get("call-1")]
      })
      yield* recordToolUse({ ...failed, usedAt: at(1) })
      yield* identifyHookCalls(shown)
      yield* recordToolUses(shown)
      assert.deepStrictEqual(yield* outcome, [2, 1, "hook"])
      const sql = yield* SqlClient.SqlClient
      yield* sql`DELETE FROM tool_usage_events`
      yield* recordToolUses(shown)
      yield* recordToolUse({ ...failed, usedAt: at(1) })
      assert.deepStrictEqual(yield* outcome, [2, 1, "hook"])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.live(
    "count once where two hooks tell of one at the same moment: the second cannot look while the first may still insert",
    () =>
      Effect.gen(function* () {
        const home = temporaryFolder()
        const store = StoreLive({ busyTimeoutMillis: 0, checkpointPages: 1000, whenMissing: "create" })
        const tell = (source: ToolUse["source"], pause: Duration.DurationInput) =>
          recordToolUse({ ...asHook(0), source }).pipe(
            Statement.withTransformer((statement) => Effect.delay(Effect.succeed(statement), pause)),
            Effect.provide(Layer.provide(store, homeAt(home))),
            Effect.either,
            Effect.map(Either.getOrElse(({ _tag }) => _tag)),
          )
        yield* inStore(home, Effect.void)
        const outcomes = yield* Effect.all([tell("hook", "20 millis"), tell("plugin", "30 millis")], { concurrency: 2 })
        assert.deepStrictEqual([...outcomes].sort(), ["PersistenceError", "recorded"])
        assert.strictEqual(totals(home).events, 1)
        const late = outcomes[0] === "recorded" ? "plugin" : "hook"
        assert.strictEqual(yield* tell(late, 0), "known")
        assert.deepStrictEqual([totals(home).events, totals(home).aggregate], [1, 1])
      }),
  )

  it("count once where they wait in the spool while their transcript is read", async () => {
    const home = temporaryFolder()
    const env = { HOME: temporaryFolder() }
    await runHook(home, hookPayload("before"), { env })
    const writer = new Database(join(home, "tooltrail.db"))
    writer.exec("BEGIN IMMEDIATE")
    const call = { hook_event_name: "PostToolUse", session_id: "s", tool_name: "Bash", cwd: "/somewhere" }
    await runHook(home, JSON.stringify(call), { env })
    writer.close()
    const transcript = join(env.HOME, ".claude", "projects", "p", "s.jsonl")
    writeLines(transcript, finishedCall("a", { sessionId: "s", cwd: "/somewhere", millis: Date.now() - 1500 }))
    assert.strictEqual((await runCli(home, ["reconcile"], { env })).code, 0)
    await runCli(home, ["log"], { env })
    assert.deepStrictEqual([totals(home).events, totals(home).aggregate], [2, 2])
  })

  it("are recorded for the coverage before it is known which they are", async () => {
    const home = temporaryFolder()
    const env = { HOME: temporaryFolder() }
    const call = { hook_event_name: "PostToolUse", session_id: "s", tool_name: "Bash", cwd: "/somewhere" }
    await runHook(home, JSON.stringify(call), { env })
    const shown = ["a", "b"].flatMap((id) => finishedCall(id, { sessionId: "s", millis: Date.now() - 1500 }))
    writeLines(join(env.HOME, ".claude", "projects", "p", "s.jsonl"), shown)
    const coverage = JSON.parse((await runCli(home, ["coverage", "--json"], { env })).stdout)
    assert.deepInclude(coverage, { calls: 2, missing: 1 })
  })

  const sendTwice = (format: TransferFormat) =>
    Effect.gen(function* () {
      const from = temporaryFolder()
      const [before, after] = ["before", "after"].map((name) => join(temporaryFolder(), name)) as [string, string]
      yield* inStore(from, recordToolUse(asHook(0)))
      yield* exportTo(from, before, format)
      assert.strictEqual(yield* inStore(from, readTranscript([0])), 0)
      // As where another program's database tells of the call as well.
      yield* query(from, "INSERT INTO event_origins SELECT '0', 7, created_at, id FROM tool_usage_events")
      yield* exportTo(from, after, format)
      const prune = (home: string) => Effect.as(inStore(home, pruneAt(now, 20)), 0)
      const take = (file: string) => (home: string) => Effect.map(importFrom(home, file), ({ recorded }) => recorded)
      // Their own transcripts tell of it by the id.
      const read = (home: string) => inStore(home, readTranscript([0]))
      for (const steps of [
        [take(before), take(after), read],
        [take(after), take(before), read],
        [take(before), prune, take(after), take(before), read],
        [take(after), prune, take(before), take(after), read],
        [read, take(after), take(before)],
        [read, prune, take(after), take(before)],
        [read, take(before), take(before), take(after)],
      ]) {
        const home = temporaryFolder()
        yield* inStore(home, TestClock.setTime(now))
        const recorded = yield* Effect.forEach(steps, (step) => step(home))
        assert.deepStrictEqual(recorded, [1, ...steps.slice(1).map(() => 0)])
        assert.strictEqual(totals(home).aggregate, 1)
      }
      assert.deepStrictEqual(
        yield* Effect.forEach([prune, take(before), take(after), read], (step) => step(from)),
        [0, 0, 0, 0],
      )
      assert.strictEqual(totals(from).aggregate, 1)
    })

  it.effect("leave the id of another call alone, also where a store that was put back gave its number again", () =>
    Effect.gen(function* () {
      const home = temporaryFolder()
      const file = join(temporaryFolder(), "calls")
      yield* inStore(
        home,
        Effect.gen(function* () {
          yield* TestClock.setTime(now)
          yield* recordToolUse(asHook(0))
          yield* pruneAt(now, 20)
          yield* recordToolUse(toolUse({ toolUseId: "here", usedAt: Timestamp.fromEpochMillis(now) }))
        }),
      )
      const { text } = yield* exportTo(home, file)
      const at = (time: string) => `"created_at":"${time}"`
      const other = text
        .replace('"here"', '"elsewhere"')
        .replace(at(Timestamp.fromEpochMillis(now)), at(asHook(0).usedAt))
      assert.include(other, '"elsewhere"')
      assert.include(other, at(asHook(0).usedAt))
      writeFileSync(file, other)
      assert.strictEqual((yield* importFrom(home, file)).recorded, 1)
      assert.deepStrictEqual(yield* query(home, "SELECT tool_use_id FROM tool_usage_events ORDER BY 1"), [
        { tool_use_id: "elsewhere" },
        { tool_use_id: "here" },
      ])
    }),
  )

  for (const format of ["jsonl", "csv"] as const) {
    it.effect(`count once where they are exported before and after they got it, as ${format}`, () => sendTwice(format))
  }

  it("count once in each of two stores that take each other's exports, old ones as well, whatever each has pruned", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ action: fc.constantFrom("hook" as const, "transcript" as const), call: fc.nat(CALLS - 1) }),
            fc.record({ action: fc.constantFrom("prune" as const, "export" as const), store: fc.constantFrom(0, 1) }),
            fc.record({ action: fc.constant("import" as const), store: fc.constantFrom(0, 1), file: fc.nat(5) }),
          ),
          { minLength: 6, maxLength: 16 },
        ),
        (actions) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(now)
            const stores = [0, 1].map(() => ({
              home: temporaryFolder(),
              known: new Set<number>(),
              left: new Set<number>(),
            }))
            const hooked = new Set<number>()
            const [first] = stores as [(typeof stores)[number]]
            const files: Array<{ readonly path: string; readonly calls: ReadonlyArray<number> }> = []
            const take = (calls: Iterable<number>, { known, left }: typeof first) => {
              for (const call of calls) {
                if (!known.has(call)) left.add(call)
                known.add(call)
              }
            }
            for (const each of actions) {
              if ("call" in each && each.action === "hook") {
                // Each call has one hook, which does not wait until it is pruned.
                if (hooked.has(each.call) || (first.known.has(each.call) && !first.left.has(each.call))) continue
                hooked.add(each.call)
                yield* inStore(first.home, recordToolUse(asHook(each.call)))
                take([each.call], first)
              } else if ("call" in each) {
                yield* inStore(first.home, readTranscript([each.call]))
                take([each.call], first)
              } else {
                const store = stores[each.store] as typeof first
                if (each.action === "prune") {
                  yield* inStore(store.home, pruneAt(now, 20))
                  for (const call of store.left) if (!isKeptByPrune(call)) store.left.delete(call)
                } else if (each.action === "export" && store.known.size > 0) {
                  const path = join(temporaryFolder(), "calls")
                  yield* exportTo(store.home, path)
                  files.push({ path, calls: [...store.left] })
                } else if (each.action === "import") {
                  const file = files[each.file]
                  if (file === undefined) continue
                  yield* importFrom(store.home, file.path)
                  take(file.calls, store)
                }
              }
              for (const { home, known, left } of stores) {
                if (known.size > 0) assert.deepInclude(totals(home), { events: left.size, aggregate: known.size })
              }
            }
          }).pipe(Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 12, seed: 20_261_128 },
    ))
})
