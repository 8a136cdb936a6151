import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { PersistenceError } from "../../src/domain/StoreError.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { discoveredTool } from "../../src/domain/ToolName.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordOrCreate, recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"

const all = (statement: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement))

const events = all("SELECT * FROM tool_usage_events ORDER BY id")
const registry = all("SELECT * FROM tool_registry ORDER BY name, project_hash")

/** Gathers the log instead of printing it. */
const gatheringLog = () => {
  const lines: Array<string> = []
  const layer = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => void lines.push(String(message))),
  )
  return { lines, layer }
}

const at = (second: number) => Timestamp.fromEpochMillis(second * 1000)

describe("recordToolUse", () => {
  it.effect("stores one event with tool, session, project, outcome and time", () =>
    Effect.gen(function* () {
      const outcome = yield* recordToolUse(toolUse({ success: false, failureKind: "error", usedAt: at(5) }))
      assert.strictEqual(outcome, "recorded")
      const [event, ...others] = yield* events
      assert.lengthOf(others, 0)
      assert.deepInclude(event, {
        tool_name: "Bash",
        session_id: "session-1",
        project_hash: projectA.hash,
        success: 0,
        created_at: "1970-01-01 00:00:05",
        failure_kind: "error",
        source: "hook",
      })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("creates the aggregate with 1 and adds exactly 1 for each later use", () =>
    Effect.gen(function* () {
      for (const [count, second] of [
        [1, 10],
        [2, 30],
        [3, 20],
      ] as const) {
        yield* recordToolUse(toolUse({ usedAt: at(second) }))
        const [row, ...others] = yield* registry
        assert.lengthOf(others, 0)
        assert.strictEqual(row?.usage_count, count)
      }
      const [row] = yield* registry
      assert.strictEqual(row?.last_used_at, at(30))
      assert.strictEqual(row?.discovered_at, at(10))
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("changes nothing when a call arrives again, whatever else it says then", () =>
    Effect.gen(function* () {
      yield* recordToolUse(toolUse({ toolUseId: "toolu_1" }))
      const before = [yield* events, yield* registry, yield* all("SELECT * FROM projects")]
      const again = yield* recordToolUse(
        toolUse({
          toolUseId: "toolu_1",
          toolName: "Read",
          usedAt: at(99),
          projectHash: projectB.hash,
          projectRoot: "/b",
        }),
      )
      assert.strictEqual(again, "known")
      assert.deepStrictEqual([yield* events, yield* registry, yield* all("SELECT * FROM projects")], before)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("keeps calls of the same id but of two agents apart", () =>
    Effect.gen(function* () {
      yield* recordToolUse(toolUse({ toolUseId: "1" }))
      yield* recordToolUse(toolUse({ toolUseId: "1", agent: "cursor" }))
      assert.lengthOf(yield* events, 2)
      assert.strictEqual((yield* registry)[0]?.usage_count, 2)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect.each([
    ["is dropped", "DROP TABLE tool_usage_events"],
    ["lost a column", "ALTER TABLE tool_usage_events DROP COLUMN source"],
  ])("updates the aggregate and logs one line if the events table %s", ([, breakage]) => {
    const log = gatheringLog()
    return Effect.gen(function* () {
      yield* recordToolUse(toolUse())
      yield* all(breakage ?? "")
      assert.strictEqual(yield* recordToolUse(toolUse({ toolUseId: "toolu_9" })), "counted")
      assert.strictEqual((yield* registry)[0]?.usage_count, 2)
      assert.lengthOf(log.lines, 1)
      assert.include(log.lines[0], "could not insert the event of a Bash call")
    }).pipe(Effect.provide(Layer.merge(StoreMemory, log.layer)))
  })

  it.effect("writes nothing if the store is unavailable as a whole", () => {
    const unavailable = new PersistenceError({ operation: "x", reason: "unavailable", cause: "locked" })
    const Locked = Layer.mock(UsageEvents, { insert: () => unavailable })
    const layers = Layer.provideMerge(Locked, StoreMemory)
    return Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(recordToolUse(toolUse()))).message, unavailable.message)
      assert.lengthOf(yield* registry, 0)
    }).pipe(Effect.provide(layers))
  })

  it.effect("records a call even if its project cannot be noted", () => {
    const log = gatheringLog()
    return Effect.gen(function* () {
      yield* all("DROP TABLE projects")
      assert.strictEqual(yield* recordToolUse(toolUse()), "recorded")
      assert.lengthOf(log.lines, 1)
    }).pipe(Effect.provide(Layer.merge(StoreMemory, log.layer)))
  })

  it.effect("passes on a defect of the event insert: only storage errors are caught", () => {
    const Broken = Layer.mock(UsageEvents, { insert: () => Effect.dieMessage("a bug") })
    const layers = Layer.provideMerge(Broken, StoreMemory)
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(recordToolUse(toolUse()))
      assert.strictEqual(exit._tag, "Failure")
      assert.lengthOf(yield* registry, 0)
    }).pipe(Effect.provide(layers))
  })

  it.effect("prefers a given server name to the one in the tool's name, in any order", () =>
    Effect.gen(function* () {
      const inferred = toolUse({ toolName: "mcp__plugin_a_b__c", serverName: "plugin_a_b" })
      const given = { ...inferred, serverName: "b" }
      for (const project of [projectA, projectB]) {
        const unknown = { ...inferred, serverName: null }
        const calls = project === projectA ? [unknown, inferred, given, inferred] : [given, unknown, inferred]
        for (const { toolUseId: _, ...call } of calls)
          yield* recordToolUse(toolUse({ ...call, projectHash: project.hash, projectRoot: project.root }))
      }
      assert.deepStrictEqual(
        (yield* registry).map((row) => row.server_name),
        ["b", "b"],
      )
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("keeps the registry equal to the fold of the events, in any order of arrival and with any repeats", () =>
    fc.assert(
      fc.asyncProperty(toolUses(1e12, 30), fc.array(fc.nat()), async (uses, repeats) => {
        const arriving = [...uses, ...repeats.flatMap((n) => uses[n % Math.max(1, uses.length)] ?? [])]
        const seen = new Set<string>()
        const expected = new Map<string, { count: number; last: string }>()
        for (const use of arriving) {
          if (use.toolUseId !== null) {
            if (seen.has(use.toolUseId)) continue
            seen.add(use.toolUseId)
          }
          const key = `${use.toolName} ${use.projectHash}`
          const { count, last } = expected.get(key) ?? { count: 0, last: "" }
          expected.set(key, { count: count + 1, last: [use.usedAt, last].sort()[1] ?? "" })
        }
        const { rows, fold } = await Effect.gen(function* () {
          yield* Effect.forEach(arriving, (use: ToolUse) => recordToolUse(use), { discard: true })
          return {
            rows: yield* all(`SELECT name, project_hash, usage_count, last_used_at FROM tool_registry
              ORDER BY name, project_hash`),
            fold: yield* all(`SELECT tool_name AS name, project_hash, count(*) AS usage_count, max(created_at) AS last_used_at
              FROM tool_usage_events GROUP BY tool_name, project_hash ORDER BY tool_name, project_hash`),
          }
        }).pipe(Effect.provide(StoreMemory), Effect.runPromise)
        assert.deepStrictEqual(rows, fold)
        assert.deepStrictEqual(
          new Map(
            rows.map((row) => [`${row.name} ${row.project_hash}`, { count: row.usage_count, last: row.last_used_at }]),
          ),
          expected as never,
        )
      }),
      { numRuns: 30 },
    ))
})

describe("recordOrCreate", () => {
  const defaults = {
    toolType: "skill",
    scope: "project",
    source: "config",
    projectHash: projectA.hash,
    description: "Makes PDFs",
    serverName: null,
  } as const

  it.effect("without a session grows the aggregate only", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(7000)
      assert.strictEqual(yield* recordOrCreate("pdf", defaults), "counted")
      assert.lengthOf(yield* events, 0)
      const [row] = yield* registry
      assert.deepInclude(row, {
        name: "pdf",
        tool_type: "skill",
        scope: "project",
        source: "config",
        project_hash: projectA.hash,
        description: "Makes PDFs",
        usage_count: 1,
        last_used_at: "1970-01-01 00:00:07",
      })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect.each([["session-7"], [null]])("with the session %s inserts an event as well", ([sessionId]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* recordOrCreate("pdf", defaults, sessionId ?? null, false), "recorded")
      const [event] = yield* events
      assert.deepInclude(event, { tool_name: "pdf", session_id: sessionId, project_hash: projectA.hash, success: 0 })
      assert.strictEqual((yield* registry)[0]?.usage_count, 1)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("shares its rows with calls that came with a payload", () =>
    Effect.gen(function* () {
      yield* recordToolUse(toolUse())
      yield* recordOrCreate("Bash", discoveredTool(toolUse()), null)
      assert.strictEqual((yield* registry)[0]?.usage_count, 2)
    }).pipe(Effect.provide(StoreMemory)),
  )
})
