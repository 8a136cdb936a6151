import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { TestContext } from "effect/TestContext"
import * as fc from "fast-check"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { TimeWindow } from "../../src/domain/TimeWindow.ts"
import { discoveredTool } from "../../src/domain/ToolName.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordOrCreate, recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { Projects } from "../../src/services/Projects.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"

const recordAll = (uses: ReadonlyArray<ToolUse>) => Effect.forEach(uses, recordToolUse, { discard: true })

const noon = Date.UTC(2026, 10, 23, 12)
const DAY = 86_400_000
const ago = (millis: number) => Timestamp.fromEpochMillis(noon - millis)
const days = (amount: number): TimeWindow => ({ amount, unit: "days" })

describe("the queries", () => {
  it("answer as plain SQL does, on any calls", () =>
    fc.assert(
      fc.asyncProperty(
        toolUses(noon, 20),
        fc.constantFrom<ProjectSelection>(projectA.hash, projectB.hash, null, AllProjects),
        fc.integer({ min: 1, max: 21 }),
        (uses, project, windowDays) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(noon)
            yield* recordAll(uses)
            const sql = yield* SqlClient.SqlClient
            const events = yield* UsageEvents
            const oracle = (where: string, key = "tool_name", order = "ORDER BY usage_count DESC, 1") =>
              sql.unsafe<Record<string, unknown>>(
                `SELECT ${key} AS ${key === "tool_name" ? key : "key"}, count(*) AS usage_count,
                   sum(CASE WHEN success = 0 AND coalesce(failure_kind, 'error') = 'error' THEN 1 ELSE 0 END) AS failures,
                   max(created_at) AS last_used
                 FROM tool_usage_events WHERE ${where} GROUP BY ${key} ${order}`,
              )
            const ofProject =
              project === AllProjects ? "1" : project === null ? "project_hash IS NULL" : `project_hash = '${project}'`
            const inWindow = `${ofProject} AND created_at >= datetime('${ago(0)}', '-${windowDays} days')`

            assert.deepStrictEqual(
              yield* events.getUsageSince(project, days(windowDays)),
              (yield* oracle(inWindow)) as never,
            )
            for (const tool of ["Bash", "it's; DROP", "never called"]) {
              const [expected] = yield* oracle(`${inWindow} AND tool_name = '${tool.replace("'", "''")}'`)
              const stats = yield* events.getUsageForTool(tool, project, days(windowDays))
              assert.deepStrictEqual(Option.getOrUndefined(stats), expected as never)
            }
            for (const [session, where] of [
              ["s1", "session_id = 's1'"],
              [null, "session_id IS NULL"],
            ] as const) {
              assert.deepStrictEqual(yield* events.getUsageForSession(session), (yield* oracle(where)) as never)
            }
            assert.deepStrictEqual(
              yield* events.getNewest(project, 7),
              (yield* sql.unsafe(
                `SELECT * FROM tool_usage_events WHERE ${ofProject} ORDER BY created_at DESC, id DESC LIMIT 7`,
              )) as never,
            )
          }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 30 },
    ))

  it("know the tools in scope and the newest session as a fold of the calls does", () =>
    fc.assert(
      fc.asyncProperty(
        toolUses(noon, 20),
        fc.constantFrom<ProjectSelection>(projectA.hash, projectB.hash, null, AllProjects),
        (uses, project) =>
          Effect.gen(function* () {
            yield* recordAll(uses)
            const registry = yield* ToolRegistry
            const events = yield* UsageEvents
            const calls = uses.filter(
              (use, place) => uses.findIndex((other) => other.toolUseId === use.toolUseId) === place,
            )

            const rows = new Map<string, { name: string; project: string | null; uses: number }>()
            for (const { toolName: name, projectHash } of calls) {
              const key = `${name} ${projectHash}`
              rows.set(key, { name, project: projectHash, uses: (rows.get(key)?.uses ?? 0) + 1 })
            }
            const rank = (name: string) => (name === "Skill" ? 2 : 4)
            const text = (value: string | null) => value ?? ""
            const byUse = [...rows.values()].sort(
              (a, b) =>
                rank(a.name) - rank(b.name) ||
                b.uses - a.uses ||
                (a.name < b.name ? -1 : a.name > b.name ? 1 : text(a.project) < text(b.project) ? -1 : 1),
            )
            const inScope = byUse.filter(
              (row) =>
                project === AllProjects ||
                row.project === project ||
                !row.name.startsWith("mcp__") ||
                row.name.startsWith("mcp__plugin_"),
            )
            const expected = inScope.filter(
              (row) =>
                project === AllProjects ||
                row.project === project ||
                (!inScope.some((other) => other.name === row.name && other.project === project) &&
                  inScope.find((other) => other.name === row.name) === row),
            )
            assert.deepStrictEqual(
              (yield* registry.getAvailableForSession(project)).map((row) => [
                row.name,
                row.project_hash,
                row.usage_count,
              ]),
              expected.map((row) => [row.name, row.project, row.uses]),
            )

            const newest = calls
              .filter((use) => use.sessionId !== null)
              .reduce<ToolUse | undefined>(
                (best, use) => (best === undefined || use.usedAt >= best.usedAt ? use : best),
                undefined,
              )
            assert.strictEqual(Option.getOrUndefined(yield* events.getNewestSession), newest?.sessionId ?? undefined)
          }).pipe(Effect.provide(StoreMemory), Effect.runPromise),
      ),
      { numRuns: 30 },
    ))

  it.effect("read rows that another program stored with values of its own", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO tool_usage_events (tool_name, success, failure_kind) VALUES ('x', 5, NULL)`
      yield* sql`INSERT INTO tool_registry (name, tool_type, scope, source) VALUES ('x', 'agent', 'team', 'y')`
      const [event] = yield* (yield* UsageEvents).getNewest(AllProjects, 1)
      assert.strictEqual(event?.success, 1)
      const [row] = yield* (yield* ToolRegistry).getAvailableForSession(AllProjects)
      assert.deepInclude(row, { tool_type: "unknown", scope: "global" })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("a window begins with the second it names", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon)
      yield* recordToolUse(toolUse({ toolName: "outside", usedAt: ago(7 * DAY + 1000) }))
      yield* recordToolUse(toolUse({ toolName: "first second", usedAt: ago(7 * DAY) }))
      yield* recordToolUse(toolUse({ toolName: "now", usedAt: ago(0) }))
      const events = yield* UsageEvents
      const names = Effect.map(events.getUsageSince(projectA.hash), (rows) => rows.map((row) => row.tool_name))
      assert.deepStrictEqual(yield* names, ["first second", "now"])
      assert.isTrue(Option.isSome(yield* events.getUsageForTool("first second", projectA.hash)))
      assert.isTrue(Option.isNone(yield* events.getUsageForTool("outside", projectA.hash)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* names, ["now"])
      assert.isTrue(Option.isNone(yield* events.getUsageForTool("first second", projectA.hash)))
      assert.isTrue(Option.isSome(yield* events.getUsageForTool("first second", projectA.hash, days(8))))
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("an interrupt is counted as a call, but not as a failure", () =>
    Effect.gen(function* () {
      yield* recordToolUse(toolUse({ success: false, failureKind: "interrupted" }))
      yield* recordToolUse(toolUse({ success: false, failureKind: "error" }))
      const events = yield* UsageEvents
      const [stats] = yield* events.getUsageSince(AllProjects)
      assert.deepInclude(stats, { usage_count: 2, failures: 1 })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("an agent's activity is its own: its last call of all, and how many since an instant", () =>
    Effect.gen(function* () {
      const events = yield* UsageEvents
      assert.deepStrictEqual(yield* events.getActivity("claude-code", ago(0)), { calls: 0, last_call: null })
      yield* recordAll([
        toolUse({ usedAt: ago(2000) }),
        toolUse({ usedAt: ago(1000), projectHash: null }),
        toolUse({ usedAt: ago(0), agent: "another" }),
      ])
      assert.deepStrictEqual(yield* events.getActivity("claude-code", ago(1000)), { calls: 1, last_call: ago(1000) })
      assert.deepStrictEqual(yield* events.getActivity("claude-code", ago(0)), { calls: 0, last_call: ago(1000) })
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("know an agent's last call and the newest session as a fold of the calls does, whatever the sums hold yet", () =>
    fc.assert(
      fc.asyncProperty(
        toolUses(noon, 20),
        fc.array(fc.constantFrom("claude-code", "another"), { minLength: 60, maxLength: 60 }),
        fc.nat(60),
        (calls, agents, folded) =>
          Effect.gen(function* () {
            const uses = calls.map((call, place) =>
              toolUse({ ...call, toolUseId: `id${place}`, agent: agents[place] ?? "" }),
            )
            yield* recordAll(uses.slice(0, folded))
            yield* Effect.flatMap(StoreUpkeep, ({ foldSums }) => foldSums)
            yield* recordAll(uses.slice(folded))
            const events = yield* UsageEvents
            const newest = (of: ReadonlyArray<ToolUse>) =>
              of.reduce<ToolUse | undefined>(
                (best, use) => (use.usedAt >= (best?.usedAt ?? "") ? use : best),
                undefined,
              )
            for (const agent of ["claude-code", "another", "a third"]) {
              const expected = newest(uses.filter((use) => use.agent === agent))?.usedAt ?? null
              assert.strictEqual((yield* events.getActivity(agent, ago(0))).last_call, expected)
            }
            assert.strictEqual(
              Option.getOrNull(yield* events.getNewestSession),
              newest(uses.filter((use) => use.sessionId !== null))?.sessionId ?? null,
            )
          }).pipe(Effect.provide(StoreMemory), Effect.runPromise),
      ),
      { numRuns: 30 },
    ))

  it.effect("the newest session is found behind any number of calls without one", () =>
    Effect.gen(function* () {
      const { getNewestSession } = yield* UsageEvents
      yield* recordToolUse(toolUse({ sessionId: "far behind", usedAt: ago(90_000) }))
      yield* recordAll(
        Array.from({ length: 40 }, (_, place) => toolUse({ sessionId: null, usedAt: ago(place * 1000) })),
      )
      assert.deepStrictEqual(yield* getNewestSession, Option.some("far behind"))
      yield* recordToolUse(toolUse({ sessionId: "near", projectHash: projectB.hash, usedAt: ago(95_000) }))
      assert.deepStrictEqual(yield* getNewestSession, Option.some("far behind"))
      yield* recordToolUse(toolUse({ sessionId: "nearer", projectHash: projectB.hash, usedAt: ago(90_000) }))
      assert.deepStrictEqual(yield* getNewestSession, Option.some("nearer"))
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("the newest session is the one of the newest call that has a session", () =>
    Effect.gen(function* () {
      const events = yield* UsageEvents
      assert.isTrue(Option.isNone(yield* events.getNewestSession))
      yield* recordToolUse(toolUse({ sessionId: "newer", usedAt: ago(5000) }))
      yield* recordToolUse(toolUse({ sessionId: "older, stored later", usedAt: ago(9000) }))
      yield* recordToolUse(toolUse({ sessionId: null, usedAt: ago(0) }))
      deepStrictEqual(yield* events.getNewestSession, Option.some("newer"))
    }).pipe(Effect.provide(StoreMemory)),
  )
})

describe("getAvailableForSession", () => {
  const known = (project: ProjectSelection) =>
    Effect.gen(function* () {
      const registry = yield* ToolRegistry
      const rows = yield* registry.getAvailableForSession(project)
      return rows.map((row) => `${row.name} ${row.usage_count}`)
    })

  it.effect("shows global tools, the project's own and plugins', each once, the project's own row first", () =>
    Effect.gen(function* () {
      const inB = { projectHash: projectB.hash, projectRoot: projectB.root }
      yield* recordAll([
        toolUse({ toolName: "Bash" }),
        toolUse({ toolName: "Bash", ...inB }),
        toolUse({ toolName: "Bash", ...inB }),
        toolUse({ toolName: "Read", ...inB }),
        toolUse({ toolName: "mcp__a__x" }),
        toolUse({ toolName: "mcp__b__x", ...inB }),
        toolUse({ toolName: "mcp__plugin_p_s__x", ...inB }),
        toolUse({ toolName: "Grep", projectHash: null, projectRoot: null }),
      ])
      assert.deepStrictEqual(yield* known(projectA.hash), [
        "Bash 1",
        "Grep 1",
        "Read 1",
        "mcp__a__x 1",
        "mcp__plugin_p_s__x 1",
      ])
      assert.deepStrictEqual(yield* known(projectB.hash), [
        "Bash 2",
        "Grep 1",
        "Read 1",
        "mcp__b__x 1",
        "mcp__plugin_p_s__x 1",
      ])
      assert.deepStrictEqual(yield* known(null), ["Bash 2", "Grep 1", "Read 1", "mcp__plugin_p_s__x 1"])
      assert.lengthOf(yield* known(AllProjects), 7)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("orders by kind, then by use, then by name", () =>
    Effect.gen(function* () {
      const types = ["builtin", "unknown", "plugin", "skill", "slash_command", "mcp_server", "mcp_tool"] as const
      for (const [uses, toolType] of types.entries()) {
        const tool = {
          toolType,
          scope: "global",
          source: "config",
          projectHash: null,
          description: null,
          serverName: null,
        } as const
        for (const name of [`b-${toolType}`, `a-${toolType}`]) {
          for (let use = 0; use <= uses; use++) yield* recordOrCreate(name, tool)
        }
      }
      assert.deepStrictEqual(yield* known(null), [
        "a-mcp_server 6",
        "b-mcp_server 6",
        "a-slash_command 5",
        "b-slash_command 5",
        "a-skill 4",
        "b-skill 4",
        "a-plugin 3",
        "b-plugin 3",
        "a-mcp_tool 7",
        "b-mcp_tool 7",
        "a-unknown 2",
        "b-unknown 2",
        "a-builtin 1",
        "b-builtin 1",
      ])
    }).pipe(Effect.provide(StoreMemory)),
  )
})

describe("Projects", () => {
  it.effect("keeps the first and the last time a project was seen, in any order of arrival", () =>
    Effect.gen(function* () {
      const projects = yield* Projects
      for (const [first, last = first] of [[5000], [8000], [2000], [9000, 1000], [7000, 3000]] as const) {
        yield* projects.remember(projectA, { first: ago(first), last: ago(last) })
      }
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT * FROM projects`, [
        {
          project_hash: projectA.hash,
          root: "/projects/a",
          name: "a",
          first_seen: ago(9000),
          last_seen: ago(1000),
        },
      ])
      assert.deepStrictEqual(yield* projects.getAll, new Map([[projectA.hash, projectA]]))
    }).pipe(Effect.provide(StoreMemory)),
  )
})

describe("the registry's proof", () => {
  it.effect("finds and mends what differs from the events, and keeps uses that have no event", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const registry = yield* ToolRegistry
      yield* recordAll([
        toolUse({ usedAt: ago(3000) }),
        toolUse({ toolName: "Read", usedAt: ago(2000) }),
        toolUse({ toolName: "mcp__github__search", serverName: "github", usedAt: ago(1000), projectHash: null }),
      ])
      yield* TestClock.setTime(noon)
      yield* recordOrCreate("Bash", { ...discoveredTool(toolUse()) })
      const whole = yield* sql`SELECT name, project_hash, usage_count, last_used_at FROM tool_registry ORDER BY name`
      assert.deepInclude(whole[0], { name: "Bash", usage_count: 2, last_used_at: ago(0) })
      assert.deepStrictEqual(yield* registry.findDrift, [])

      yield* sql`UPDATE tool_registry SET usage_count = 7, last_used_at = NULL WHERE name = 'Bash'`
      yield* sql`UPDATE tool_registry SET usage_count = 0 WHERE name = 'Read'`
      yield* sql`DELETE FROM tool_registry WHERE name = 'mcp__github__search'`
      const drift = yield* registry.findDrift
      assert.deepStrictEqual(
        drift.map((row) => [row.name, row.usage_count, row.expected_count]),
        [
          ["Bash", 7, 2],
          ["Read", 0, 1],
          ["mcp__github__search", null, 1],
        ],
      )
      assert.deepStrictEqual(yield* registry.rebuild, drift)
      assert.deepStrictEqual(yield* registry.findDrift, [])
      assert.deepStrictEqual(
        yield* sql`SELECT name, project_hash, usage_count, last_used_at FROM tool_registry ORDER BY name`,
        whole,
      )
      const [mended] = yield* sql`SELECT * FROM tool_registry WHERE name = 'mcp__github__search'`
      assert.deepInclude(mended, {
        tool_type: "mcp_tool",
        scope: "project",
        server_name: "github",
        discovered_at: ago(1000),
      })
    }).pipe(Effect.provide(StoreMemory)),
  )
})
