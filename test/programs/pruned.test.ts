import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { DetailPruned } from "../../src/domain/DetailPruned.ts"
import { discoveredTool } from "../../src/domain/discoveredTool.ts"
import { AllProjects } from "../../src/domain/Project.ts"
import type { PersistenceError } from "../../src/domain/StoreError.ts"
import type * as Timestamp from "../../src/domain/Timestamp.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { hookPayload, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { days, pruneAt } from "../support/pruning.ts"
import { changeStore, readStore } from "../support/store.ts"
import { projectA, projectB, toolUse } from "../support/toolUses.ts"
import { finishedCall, realTranscripts, writeLines } from "../support/transcripts.ts"

const now = Date.UTC(2026, 10, 23, 12, 34, 56)
const DAY = 86_400_000

describe("what is asked of a store with pruned calls", () => {
  const home = join(temporaryFolder(), "home")
  const emptied = join(temporaryFolder(), "home")
  let session = ""
  let first = ""
  let last = ""

  const ask = async (folder: string, ...args: ReadonlyArray<string>) => {
    const { code, stdout, stderr } = await runCli(folder, args)
    return { code, stdout, stderr, said: `${stdout}\n${stderr}`.replace(/\s+/g, " ") }
  }

  beforeAll(async () => {
    for (const folder of [home, emptied]) assert.strictEqual((await ask(folder, "import", realTranscripts)).code, 0)
    await runHook(home, hookPayload("young"))
    const [row] = readStore(home, (all) =>
      all("SELECT session_id, min(created_at) AS first FROM tool_usage_events WHERE tool_name <> 'Bash'"),
    )
    session = String(row?.session_id)
    first = readStore(emptied, (all) => String(all("SELECT min(created_at) AS at FROM tool_usage_events")[0]?.at))
    last = readStore(emptied, (all) => String(all("SELECT max(created_at) AS at FROM tool_usage_events")[0]?.at))
    for (const folder of [home, emptied]) {
      assert.strictEqual((await ask(folder, "prune", "--older-than", "30d")).code, 0)
    }
  })

  it("is when calls were recorded first: `unused` knows it by the sums of the pruned days", async () => {
    const { code, stdout } = await ask(home, "unused", "--all-projects", "--since", "30d", "--json")
    assert.strictEqual(code, 0)
    const { observed_from, reason } = JSON.parse(stdout)
    assert.notStrictEqual(reason, "span too short")
    assert.strictEqual(observed_from.slice(0, 10), first.slice(0, 10))
    assert.isAtLeast(Date.parse(observed_from), Date.parse(first))
  })

  it("is a session: one that is pruned says so and fails, one that never was is none", async () => {
    for (const output of [[], ["--json"]]) {
      const pruned = await ask(home, "session", session, ...output)
      assert.deepStrictEqual([pruned.code, pruned.stdout, lines(pruned.stderr).length], [1, "", 1])
      assert.match(
        pruned.stderr,
        new RegExp(`calls of the session ${session} are from before \\d{4}-\\d\\d-\\d\\d and pruned`),
      )
      const unknown = await ask(home, "session", "nobody", ...output)
      assert.deepStrictEqual([unknown.code, unknown.stderr], [0, ""])
    }
    assert.match((await ask(home, "session", "nobody")).stdout, /^No calls in the session nobody\./)
    assert.match((await ask(emptied, "session")).said, /^No calls with a session are left\. Calls before .* are pruned/)
  })

  it("is the newest calls: `log` says where its list ends because of it, for programs on standard error", async () => {
    const note = /Calls before \d{4}-\d\d-\d\d are pruned/
    assert.match((await ask(home, "log", "--all-projects")).said, note)
    assert.notMatch((await ask(home, "log", "--all-projects", "--limit", "1")).said, note)
    assert.match((await ask(emptied, "log", "--all-projects")).said, /^No calls are left in any project\. Calls before/)
    const asJson = await ask(home, "log", "--all-projects", "--json")
    assert.lengthOf(JSON.parse(asJson.stdout), 1)
    assert.match(asJson.stderr, note)
  })

  it("is the last call: `status` knows when it was, and `doctor` does not say that there was none", async () => {
    const { stdout } = await ask(emptied, "status", "--json")
    assert.strictEqual(JSON.parse(stdout).agents[0].last_call, last)
    assert.match((await ask(emptied, "doctor")).stdout, new RegExp(`^ok +last call +\\w+, ${last} UTC`, "m"))
  })

  it("is the last call, also where an older one came late", async () => {
    const late = join(temporaryFolder(), "home")
    const at = (days: number) => Date.now() - days * DAY
    const calls = (name: string, days: number) => finishedCall(name, { name, millis: at(days), cwd: "/nowhere" })
    const transcript = (name: string, ...lines: ReadonlyArray<ReadonlyArray<string>>) =>
      writeLines(join(temporaryFolder(), `${name}.jsonl`), lines.flat())
    await ask(late, "import", transcript("a", calls("Read", 100), calls("Bash", 40)))
    await ask(late, "prune", "--older-than", "30d")
    await ask(late, "import", transcript("b", calls("Late", 90)))
    const { stdout } = await ask(late, "status", "--json")
    assert.isAtMost(Math.abs(Date.parse(`${JSON.parse(stdout).agents[0].last_call}Z`) - at(40)), 10_000)
    assert.match((await ask(late, "doctor")).stdout, /^ok +last call +Bash, /m)
    // It is one of the newest only because others are pruned.
    assert.match((await ask(late, "log", "--all-projects", "--limit", "1")).said, /Late .* Calls before/)
  })

  it("is what there is none of: it says what that rests on, and no hint leads to a question that fails", async () => {
    const soon = await ask(home, "top", "--all-projects", "--by", "subagent", "--since", "20d")
    const [, hint] = /further back with --since (\d+d)/.exec(soon.said) ?? []
    assert.strictEqual((await ask(home, "top", "--all-projects", "--since", hint ?? "none")).code, 0)
    for (const absent of [
      ["trend", "Nope", "--all-projects"],
      ["session", "nobody"],
    ]) {
      assert.match((await ask(home, ...absent)).said, /Calls are recorded since|Not enough evidence yet/)
    }
    const elsewhere = await ask(home, "log", "--project", temporaryFolder())
    assert.match(
      elsewhere.said,
      /^No calls in the project .* Not enough evidence yet: no call is recorded in .* Look everywhere/,
    )
    const tooShort = await ask(home, "prune", "--older-than", "1h", "--dry-run")
    assert.deepStrictEqual(
      [tooShort.code, tooShort.stdout, tooShort.stderr],
      [1, "", "tooltrail: --older-than must be at least 1 day (given: prune --older-than 1h --dry-run)\n"],
    )
  })

  it("is coverage: a pruned call is known as one, and one that is missing from their time is missing", async () => {
    const [covered, person] = [join(temporaryFolder(), "home"), temporaryFolder()]
    const run = (...args: ReadonlyArray<string>) => runCli(covered, args, { env: { HOME: person } })
    const call = (name: string, days: number) =>
      finishedCall(`${name}-${days}`, { name, millis: Date.now() - days * DAY, cwd: "/nowhere" })
    const known = [call("WebFetch", 400), call("Bash", 18), call("Bash", 1)]
    await run("import", writeLines(join(temporaryFolder(), "known.jsonl"), known.flat()))
    const shown = join(person, ".claude", "projects", "p", "s1.jsonl")
    writeLines(shown, [call("WebFetch", 20), call("Bash", 18), call("Bash", 1)].flat())
    await run("prune", "--older-than", "10d")
    const coverage = JSON.parse((await run("coverage", "--since", "30d", "--json")).stdout)
    assert.deepStrictEqual(
      [coverage.calls, coverage.pruned, coverage.missing_tools],
      [3, 1, [{ tool_name: "WebFetch", calls: 1 }]],
    )
    assert.match((await run("coverage", "--since", "30d")).stdout, /1 pruned since/)
    const unused = JSON.parse((await run("unused", "--all-projects", "--since", "30d", "--json")).stdout)
    assert.deepStrictEqual([unused.verdict, unused.reason], ["not enough", "coverage too low"])
    changeStore(covered, "UPDATE rollup_state SET forgotten_before = pruned_before; DELETE FROM pruned_calls")
    const forgotten = await run("coverage", "--since", "30d", "--json")
    assert.deepStrictEqual([JSON.parse(forgotten.stdout).calls, JSON.parse(forgotten.stdout).pruned], [1, 0])
    assert.match((await run("coverage", "--since", "30d")).stdout, /are pruned and not known again, and so left out/)
  })

  it("is a tool: it does not tell to look where nothing can be seen", async () => {
    const { code, said } = await ask(home, "tool", "Read", "--all-projects", "--since", "7d")
    assert.strictEqual(code, 0)
    assert.match(
      said,
      /It was last called .*, but calls that old are pruned; `tooltrail trend Read --all-projects --since 20y` shows its calls by month/,
    )
    assert.notInclude(said, "look further back")
  })

  it("is an export: it says what is not in it, and of a window that is whole nothing", async () => {
    const file = join(temporaryFolder(), "calls.jsonl")
    const whole = await ask(home, "export", file)
    assert.match(
      whole.stderr,
      /calls before \d{4}-\d\d-\d\d are pruned, so the export has neither them nor their counts/,
    )
    assert.match((await ask(home, "export", "--since", "20y")).stderr, /are pruned/)
    for (const window of ["60d", "7d"]) assert.strictEqual((await ask(home, "export", "--since", window)).stderr, "")
  })
})

describe("a session of which some calls are pruned", () => {
  it.effect("is not answered as if it were whole, with a name or without", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const at = (sessionId: string | null, time: string) => toolUse({ sessionId, usedAt: time as Timestamp.Timestamp })
      const uses = [
        at("both", "2026-11-02 23:59:59"),
        at("both", "2026-11-03 00:00:01"),
        at("young", "2026-11-03 00:00:01"),
        at("old", "2026-11-01 00:00:01"),
        at(null, "2026-11-03 00:00:01"),
      ]
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      yield* pruneAt(now, 20)
      const { getUsageForSession } = yield* UsageEvents
      const { getSessionReport } = yield* UsageReports
      for (const session of ["both", "old"]) {
        const error = yield* Effect.flip(getUsageForSession(session))
        assert.strictEqual(
          error.message,
          `calls of the session ${session} are from before 2026-11-03 and pruned; only their sums by day are kept, which \`tooltrail trend\` shows`,
        )
      }
      assert.lengthOf(yield* getUsageForSession("young"), 1)
      assert.lengthOf(yield* getUsageForSession(null), 1)
      assert.lengthOf(yield* getUsageForSession("nobody"), 0)
      const both = Option.getOrThrow(yield* getSessionReport("both"))
      deepStrictEqual([both.total.usage_count, both.prunedBefore], [1, Option.some("2026-11-03")])
      const young = Option.getOrThrow(yield* getSessionReport("young"))
      deepStrictEqual([young.total.usage_count, young.prunedBefore], [1, Option.none()])
      assert.strictEqual((yield* Effect.flip(getSessionReport("old")))._tag, "DetailPruned")
      assert.isTrue(Option.isNone(yield* getSessionReport("nobody")))
      yield* recordToolUse(at(null, "2026-11-01 00:00:01"))
      yield* pruneAt(now, 20)
      assert.strictEqual((yield* Effect.flip(getUsageForSession(null)))._tag, "DetailPruned")
      // Of what an older program pruned nobody knows the sessions.
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE rollup_state SET forgotten_before = '2026-11-03'`
      assert.match((yield* Effect.flip(getUsageForSession("nobody"))).message, /session nobody may be from before/)
      assert.lengthOf(yield* getUsageForSession("young"), 1)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("is shown with a note", async () => {
    const home = temporaryFolder()
    await runHook(home, hookPayload("young"))
    changeStore(
      home,
      `INSERT INTO tool_usage_events (tool_name, session_id, success, created_at) VALUES ('Bash', 's', 1, '2020-01-01 00:00:00')`,
    )
    const whole = await runCli(home, ["session", "s", "--json"])
    assert.isNull(JSON.parse(whole.stdout)[0].pruned_before)
    assert.strictEqual((await runCli(home, ["prune", "--older-than", "30d"])).code, 0)
    assert.match((await runCli(home, ["session", "s"])).stdout, /Its calls before \d{4}-\d\d-\d\d are pruned/)
    const cut = await runCli(home, ["session", "s", "--json"])
    assert.match(JSON.parse(cut.stdout)[0].pruned_before, /^\d{4}-\d\d-\d\d$/)
  })
})

describe("a project of which nothing is pruned, in a store where something is", () => {
  const at = (time: string, fields: Partial<ToolUse> = {}) =>
    toolUse({ usedAt: time as Timestamp.Timestamp, toolUseId: time, ...fields })
  const inB = { projectHash: projectB.hash, projectRoot: projectB.root }

  it.effect("tells what came before a tool only where that cannot be a pruned call", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const uses = [
        at("2026-11-02 23:59:00", { sessionId: "cut", toolName: "Read" }),
        at("2026-11-03 00:41:00", { sessionId: "cut" }),
        at("2026-11-03 00:42:00", { sessionId: "cut", toolName: "Edit" }),
        at("2026-11-03 00:43:00", { sessionId: "cut" }),
        at("2026-11-04 00:00:00", { sessionId: "whole" }),
      ]
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      const neighbours = UsageReports.pipe(
        Effect.flatMap(({ getToolReport }) => getToolReport("Bash", AllProjects, { amount: 492, unit: "hours" })),
        Effect.map(Option.getOrThrow),
        Effect.map(({ before, after }) =>
          [before, after].map((each) => new Set(each.map(({ key, usage_count }) => `${key} ${usage_count}`))),
        ),
      )
      const after = new Set(["null 2", "Edit 1"])
      assert.deepStrictEqual(yield* neighbours, [new Set(["Edit 1", "Read 1", "null 1"]), after])
      yield* pruneAt(now, 20)
      yield* recordToolUse(at("2026-11-02 23:58:00", { sessionId: "cut", toolName: "Late" }))
      assert.deepStrictEqual(yield* neighbours, [new Set(["Edit 1", "null 1"]), after])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("is answered over windows of any length, and so is a tool", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const uses = [
        at("2026-10-01 00:00:00", { toolName: "Old" }),
        at("2026-10-02 00:00:00", { projectHash: null, projectRoot: null }),
        at("2026-11-20 00:00:00"),
        at("2026-11-21 00:00:00", inB),
      ]
      yield* Effect.forEach(uses, recordToolUse, { discard: true })
      yield* pruneAt(now, 20)
      const events = yield* UsageEvents
      const reports = yield* UsageReports
      const windows = [days(100), days(60)]
      for (const window of windows) {
        assert.lengthOf(yield* events.getUsageSince(projectB.hash, window), 1)
        assert.lengthOf(yield* events.getUsageBy("tool", projectB.hash, window), 1)
        assert.isTrue(Option.isSome(yield* events.getUsageForTool("Bash", projectA.hash, window)))
        assert.isTrue(Option.isSome(yield* reports.getReport("tool", projectB.hash, window)))
        assert.isTrue(Option.isSome(yield* reports.getToolReport("Bash", projectB.hash, window)))
        const failing: ReadonlyArray<Effect.Effect<unknown, PersistenceError | DetailPruned>> = [
          events.getUsageSince(projectA.hash, window),
          events.getUsageSince(null, window),
          events.getUsageSince(AllProjects, window),
          events.getUsageBy("tool", projectA.hash, window),
          events.getUsageForTool("Old", projectA.hash, window),
          events.getUsageForTool("Bash", AllProjects, window),
          reports.getReport("tool", projectA.hash, window),
          // The share of a tool is one of all that was called.
          reports.getToolReport("Bash", projectA.hash, window),
        ]
        for (const each of failing) assert.strictEqual((yield* Effect.flip(each))._tag, "DetailPruned")
      }
      // Nothing is pruned after that time.
      assert.lengthOf(yield* events.getUsageSince(AllProjects, days(51)), 1)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it("is listed and exported without a note", async () => {
    const [home, own] = [temporaryFolder(), temporaryFolder()]
    for (const [name, cwd, age] of [
      ["Read", temporaryFolder(), 100],
      ["Bash", own, 1],
    ] as const) {
      const calls = finishedCall(name, { name, cwd, sessionId: name, millis: Date.now() - age * DAY })
      await runCli(home, ["import", writeLines(join(temporaryFolder(), `${name}.jsonl`), calls)])
    }
    assert.strictEqual((await runCli(home, ["prune", "--older-than", "30d"])).code, 0)
    for (const question of [
      ["log", "--project", own],
      ["export", "--project", own],
      ["top", "--project", own, "--since", "1y"],
    ]) {
      const { code, stdout, stderr } = await runCli(home, question)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.include(stdout, "Bash")
      assert.notInclude(stdout, "pruned")
    }
    assert.include((await runCli(home, ["export"])).stderr, "are pruned")
  })

  it.effect("and one of which all is: it is known to the second since when it was observed", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      yield* Effect.forEach(
        [
          at("2026-10-01 08:00:00"),
          at("2026-10-01 20:00:00"),
          at("2026-10-01 21:00:00", { toolName: "Read" }),
          at("2026-10-03 03:00:00", inB),
          at("2026-10-03 04:00:00", inB),
        ],
        recordToolUse,
      )
      // Known before, by what has no calls.
      const { recordOrCreate } = yield* ToolRegistry
      for (const [toolName, time] of [
        ["Counted", "2026-10-01 07:00:00"],
        ["Read", "2026-09-01 00:00:00"],
      ] as const) {
        yield* recordOrCreate(discoveredTool(toolUse({ toolName })), time as Timestamp.Timestamp, { hasEvent: false })
      }
      const { getObservedFrom } = yield* UsageReports
      const observed = Effect.forEach([AllProjects, projectA.hash, projectB.hash] as const, getObservedFrom)
      const before = yield* observed
      deepStrictEqual(before, [
        Option.some("2026-10-01 08:00:00"),
        Option.some("2026-10-01 08:00:00"),
        Option.some("2026-10-03 03:00:00"),
      ])
      yield* pruneAt(now, 20)
      deepStrictEqual(yield* observed, before)
    }).pipe(Effect.provide(StoreMemory)),
  )
})

describe("the window before one that is whole", () => {
  it.effect("is compared with only where none of it is pruned, though a call came late", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const at = (time: string) => toolUse({ usedAt: time as Timestamp.Timestamp })
      const times = ["2026-09-01 00:00:00", "2026-10-26 00:00:00", "2026-11-05 00:00:00", "2026-11-20 00:00:00"]
      for (const time of times) yield* recordToolUse(at(time))
      const previous = (age: number) =>
        UsageReports.pipe(
          Effect.flatMap(({ getReport }) => getReport("tool", AllProjects, days(age))),
          Effect.map((report) => Option.getOrThrow(report).total.previous_count),
        )
      const all = Effect.all([previous(15), previous(13), previous(10)])
      assert.deepStrictEqual(yield* all, [2, 1, 1])
      yield* pruneAt(now, 20)
      assert.deepStrictEqual(yield* all, [null, 1, 1])
      yield* recordToolUse(at("2026-10-01 00:00:00"))
      assert.deepStrictEqual(yield* all, [null, 1, 1])
    }).pipe(Effect.provide(StoreMemory)),
  )
})
