import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { makeCallId } from "../../src/domain/CallId.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { spoolFile } from "../../src/layers/files/ownedFiles.ts"
import { recordOrCreate, recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { Transaction } from "../../src/services/Transaction.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { hookPayload, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"
import { realTranscripts } from "../support/transcripts.ts"
import { contentOf, exportTo, importFrom, inStore, openStore, query, type StorePlace } from "../support/transfer.ts"

const NOW = Date.UTC(2026, 0, 31)

const freshHome = () => join(temporaryFolder(), "home")
const freshFile = (name = "x.jsonl") => join(temporaryFolder(), name)

const record = (home: StorePlace, uses: ReadonlyArray<ToolUse>) =>
  inStore(home, Effect.forEach(uses, recordToolUse, { discard: true }))

const drift = (home: StorePlace) =>
  inStore(
    home,
    Effect.gen(function* () {
      const registry = yield* ToolRegistry
      const upkeep = yield* StoreUpkeep
      return [...(yield* registry.findDrift), ...(yield* upkeep.findSumDrift)]
    }),
  )

const at = (second: number) => Timestamp.fromEpochMillis(NOW + second * 1000)

/** Exports one store and imports it into the other. */
const send = (from: StorePlace, to: StorePlace, selection?: Parameters<typeof exportTo>[3]) =>
  Effect.suspend(() => {
    const file = freshFile()
    return Effect.zipRight(exportTo(from, file, "jsonl", selection), importFrom(to, file))
  })

/** Exports a store, with other fields in its first call. */
const rewriteFirst = (home: StorePlace, file: string, fields: object) =>
  Effect.map(exportTo(home, file), ({ text }) => {
    const all = lines(text)
    const first = all.findIndex((line) => line.startsWith('{"event"'))
    const { event } = JSON.parse(all[first] ?? "")
    writeFileSync(file, `${all.with(first, JSON.stringify({ event: { ...event, ...fields } })).join("\n")}\n`)
  })

/** Rows of a program that writes plain SQL: without an agent or an id, and some alike. */
const plainRows = (home: StorePlace, rows: number) =>
  query(
    home,
    `INSERT INTO tool_usage_events (tool_name, session_id, agent, created_at)
     SELECT 'Bash', iif(value % 3 = 0, NULL, 's1'), iif(value % 2 = 0, NULL, 'claude-code'), '${at(-5)}'
     FROM json_each('${JSON.stringify(Array.from({ length: rows }, (_, n) => n))}')`,
  )

describe("an export", () => {
  it.live("gives the same store back, changes nothing when repeated, and comes back without duplicates", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(toolUses(NOW, 40), fc.nat(6), (uses, plain) =>
          Effect.runPromise(
            Effect.scoped(
              Effect.gen(function* () {
                const [from, to] = [yield* openStore, yield* openStore]
                const odd = [" ", "a,b", 'say "no"', "=1+1", "é漢🙂", "\ufeffx", "null", "'"].map((text, second) =>
                  toolUse({ toolName: text, sessionId: text, target: text, subagent: text, usedAt: at(second) }),
                )
                yield* record(from, [...uses, ...odd])
                const named = (yield* contentOf(from)).events
                yield* plainRows(from, plain)
                yield* inStore(
                  from,
                  Effect.flatMap(ToolRegistry, (registry) => registry.rebuild),
                )
                const before = yield* contentOf(from)
                const all = before.events.length
                const first = yield* send(from, to)
                assert.deepInclude(first, { recorded: all, already_known: 0, broken_lines: 0, whole: true })
                const after = yield* contentOf(to)
                const isPlain = (event: Record<string, unknown>) =>
                  String(event.tool_use_id).startsWith("tooltrail-row-")
                assert.deepStrictEqual(
                  after.events.filter((event) => !isPlain(event)),
                  named,
                )
                assert.lengthOf(after.events.filter(isPlain), plain)
                const counts = (content: typeof before) =>
                  content.tools.map(({ name, project_hash, usage_count, last_used_at, tool_type }) => [
                    ...[name, project_hash, usage_count, last_used_at, tool_type],
                  ])
                assert.deepStrictEqual(counts(after), counts(before))
                assert.deepStrictEqual(after.projects, before.projects)
                assert.isEmpty(yield* drift(to))
                for (const [one, other] of [
                  [from, to],
                  [to, from],
                  [from, to],
                ] as const) {
                  assert.deepInclude(yield* send(one, other), { recorded: 0, already_known: all })
                }
                assert.deepStrictEqual(yield* contentOf(to), after)
                assert.deepStrictEqual((yield* contentOf(from)).events, before.events)
              }),
            ),
          ),
        ),
        { numRuns: 15 },
      ),
    ),
  )

  it.scoped("is in the order of time, and the same each time", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, file] = [yield* openStore, freshFile()]
      yield* record(
        from,
        [5, 1, 3, 1].map((second, place) => toolUse({ toolName: `tool ${place}`, usedAt: at(second) })),
      )
      const { text, events } = yield* exportTo(from, file)
      assert.strictEqual(events, 4)
      assert.deepStrictEqual(
        lines(text).flatMap((line) => /"event":.*"tool_name":"(tool \d)"/.exec(line)?.[1] ?? []),
        ["tool 1", "tool 3", "tool 2", "tool 0"],
      )
      assert.strictEqual((yield* exportTo(from, file)).text, text)
    }),
  )

  it.scoped("holds no more than the window or project that was asked for, and nothing of pruned days", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, file] = [yield* openStore, freshFile()]
      yield* record(from, [
        toolUse({ usedAt: at(0) }),
        toolUse({ usedAt: at(10) }),
        toolUse({ usedAt: at(90_000), projectHash: projectB.hash, projectRoot: projectB.root }),
      ])
      const all = { project: "all-projects", since: null } as const
      assert.strictEqual((yield* exportTo(from, file, "jsonl", { ...all, since: at(10) })).events, 2)
      const ofProject = yield* exportTo(from, file, "jsonl", { ...all, project: projectA.hash })
      assert.strictEqual(ofProject.events, 2)
      assert.notInclude(ofProject.text, projectB.hash)
      assert.strictEqual((yield* exportTo(from, file, "jsonl", { ...all, project: null })).events, 0)
      yield* inStore(
        from,
        Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.beginPrune("2026-02-01")),
      )
      const unpruned = yield* exportTo(from, file)
      assert.strictEqual(unpruned.events, 1)
      assert.include(unpruned.text, '"since":"2026-02-01 00:00:00"')
    }),
  )

  it.scoped("leaves out counts without a call, and rows that no import would accept", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to, file] = [yield* openStore, yield* openStore, freshFile()]
      const tool = {
        toolType: "skill",
        scope: "plugin",
        source: "library",
        projectHash: null,
        serverName: null,
      } as const
      yield* inStore(from, recordOrCreate("x", { ...tool, description: "what x does" }))
      yield* query(
        from,
        "INSERT INTO tool_usage_events (tool_name, created_at) VALUES ('a', 'yesterday'), ('b', '2026-01-01 00:00:00')",
      )
      const logged: Array<unknown> = []
      const log = Logger.make(({ message }) => void logged.push(...(message as ReadonlyArray<unknown>)))
      assert.strictEqual((yield* Effect.provide(exportTo(from, file), Logger.add(log))).events, 1)
      assert.deepStrictEqual(logged, [
        "the store, event 1: created_at: is not a time like 2026-11-26 13:45:00; it is left out",
      ])
      yield* importFrom(to, file)
      const tools = (yield* contentOf(to)).tools
      assert.deepStrictEqual(
        tools.map(({ name, usage_count, tool_type, description }) => [name, usage_count, tool_type, description]),
        [
          ["b", 1, "unknown", null],
          ["x", 0, "skill", "what x does"],
        ],
      )
      assert.isEmpty(yield* drift(to))
    }),
  )

  it.scoped("as CSV has a row for each call, and guards cells that a spreadsheet would run", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, file] = [yield* openStore, freshFile("x.csv")]
      yield* record(from, [
        toolUse({ sessionId: null, target: "=1+1", usedAt: at(1), toolName: 'say "no", x', toolUseId: "1" }),
        toolUse({ target: "-1", subagent: "@x", toolName: "+x", usedAt: at(2), toolUseId: "2", durationMs: 7 }),
      ])
      const { text, events } = yield* exportTo(from, file, "csv")
      assert.strictEqual(events, 2)
      assert.deepStrictEqual(text.split("\r\n"), [
        "tool_name,session_id,project_hash,success,created_at,agent,tool_use_id,duration_ms,duration_is_estimated,subagent,target,server_name,failure_kind,source,input_bytes,output_bytes,project_root",
        `"say ""no"", x",,${projectA.hash},1,${at(1)},claude-code,1,,0,,'=1+1,,,hook,,,/projects/a`,
        `'+x,session-1,${projectA.hash},1,${at(2)},claude-code,2,7,0,'@x,'-1,,,hook,,,/projects/a`,
        "",
      ])
      const refused = yield* Effect.flip(importFrom(yield* openStore, file))
      assert.include(refused.message, "it is CSV; import reads the lines of JSON that `tooltrail export` writes")
    }),
  )
})

describe("importing exports", () => {
  /** Calls of session `u` have no id of the agent's own until a transcript shows them; those of session `n` have one at once. */
  const calls = Array.from({ length: 6 }, (_, n) => ({
    id: `toolu_${n}`,
    sessionId: n % 2 === 0 ? "u" : "n",
    usedAt: at(n * 30),
  }))

  const store = fc.constantFrom<0 | 1 | 2>(0, 1, 2)
  const step = fc.oneof(
    fc.record({ kind: fc.constant("hook"), to: store, from: store }),
    fc.record({ kind: fc.constantFrom("export", "export"), to: store, from: store }),
    fc.record({ kind: fc.constant("transcript"), to: store, from: store }),
  )

  it.live("records each call once, whichever way and under whichever ids it comes, and loses none", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 16 }), (steps) =>
          Effect.runPromise(
            Effect.scoped(
              Effect.gen(function* () {
                const homes = [yield* openStore, yield* openStore, yield* openStore] as const
                let happened = 0
                for (const { kind, to, from } of steps) {
                  const home = homes[to]
                  const call = calls[happened]
                  if (kind === "export") yield* send(homes[from], home)
                  else if (kind === "hook" && call !== undefined) {
                    happened++
                    const toolUseId = call.sessionId === "n" ? call.id : yield* makeCallId
                    // The hook's clock is a little behind the transcript's, which names the tool by the call.
                    const usedAt = Timestamp.fromEpochMillis(Timestamp.toEpochMillis(call.usedAt) + 2000)
                    yield* record(home, [toolUse({ ...call, toolName: call.id, toolUseId, usedAt })])
                  } else if (kind === "transcript") {
                    const shown = calls
                      .slice(0, happened)
                      .map((call) => toolUse({ ...call, toolName: call.id, toolUseId: call.id, source: "transcript" }))
                    yield* inStore(
                      home,
                      Effect.gen(function* () {
                        const { atomically } = yield* Transaction
                        const { removeProvisional } = yield* UsageEvents
                        yield* atomically(Effect.zipRight(removeProvisional(shown), recordToolUses(shown)))
                      }),
                    )
                  }
                }
                for (const [from, to] of [
                  [0, 1],
                  [1, 2],
                  [2, 0],
                  [0, 1],
                ] as const) {
                  yield* send(homes[from], homes[to])
                }
                const expected = calls.slice(0, happened).map(({ id }) => ({ tool_name: id, calls: 1 }))
                for (const home of homes) {
                  assert.deepStrictEqual(
                    yield* query(
                      home,
                      "SELECT tool_name, count(*) AS calls FROM tool_usage_events GROUP BY tool_name ORDER BY tool_name",
                    ),
                    expected,
                  )
                  assert.isEmpty(yield* drift(home))
                }
                yield* send(homes[1], homes[0])
                assert.strictEqual((yield* send(homes[0], homes[1])).recorded, 0)
              }),
            ),
          ),
        ),
        { numRuns: 15 },
      ),
    ),
  )

  it.scoped("replaces provisional calls by those of transcripts, and no call from before the export begins", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to] = [yield* openStore, yield* openStore]
      const shown = (second: number) =>
        toolUse({ toolUseId: `toolu_${second}`, source: "transcript", usedAt: at(second) })
      yield* record(from, [shown(0), shown(100)])
      for (const second of [2, 102, 200]) {
        yield* record(to, [toolUse({ toolUseId: `tooltrail-${second}`, usedAt: at(second) })])
      }
      assert.strictEqual((yield* send(from, to, { project: "all-projects", since: at(50) })).recorded, 1)
      const ids = (yield* contentOf(to)).events.map((event) => event.tool_use_id)
      assert.deepStrictEqual(ids, ["tooltrail-2", "toolu_100", "tooltrail-200"])
      assert.isEmpty(yield* drift(to))
    }),
  )

  it.scoped("merges what is known about tools and projects", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to] = [yield* openStore, yield* openStore]
      yield* record(from, [toolUse({ toolName: "odd", usedAt: at(1) })])
      yield* record(to, [toolUse({ toolName: "odd", usedAt: at(2) })])
      yield* query(
        from,
        "UPDATE tool_registry SET tool_type = 'skill', description = 'what it does', discovered_at = '2026-01-01 00:00:00'",
      )
      yield* send(from, to)
      const { tools, projects } = yield* contentOf(to)
      assert.deepInclude(tools[0], {
        ...{ tool_type: "skill", description: "what it does", discovered_at: "2026-01-01 00:00:00" },
        usage_count: 2,
      })
      assert.deepInclude(projects[0], { root: projectA.root, first_seen: at(1), last_seen: at(2) })
    }),
  )

  it.scoped.each([
    { created_at: "2026-13-01 00:00:00" },
    { created_at: "2026-02-30 10:00:00" },
    { created_at: at(86_401) },
    { duration_ms: 9e18 },
    { duration_ms: -1 },
    { tool_name: "" },
    { session_id: "a\nb" },
    { target: "x".repeat(1025) },
    { success: 2 },
  ])("counts a call that the hook would not accept as a broken line, with %o", (impossible) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to, file] = [yield* openStore, yield* openStore, freshFile()]
      yield* record(from, [toolUse({ usedAt: at(0) }), toolUse({ usedAt: at(1) })])
      yield* rewriteFirst(from, file, impossible)
      assert.deepInclude(yield* importFrom(to, file), { recorded: 1, broken_lines: 1 })
    }),
  )

  it.scoped("accepts what the hook accepts: durations to the millisecond, a day ahead, half a character", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to, file] = [yield* openStore, yield* openStore, freshFile()]
      yield* record(from, [toolUse({ usedAt: at(0) })])
      const odd = { duration_ms: 7.6, created_at: at(86_400), subagent: "", target: "\ud83d", source: "later" }
      yield* rewriteFirst(from, file, odd)
      assert.deepInclude(yield* importFrom(to, file), { recorded: 1, broken_lines: 0 })
      assert.deepInclude((yield* contentOf(to)).events[0], {
        ...{ duration_ms: 8, created_at: at(86_400), subagent: null, target: "\ufffd", source: "import" },
      })
    }),
  )

  it.scoped("counts broken lines and names the first, takes the rest, and says that a file is cut short", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to, file] = [yield* openStore, yield* openStore, freshFile()]
      yield* record(
        from,
        Array.from({ length: 5 }, (_, second) => toolUse({ usedAt: at(second) })),
      )
      const { text } = yield* exportTo(from, file)
      const all = lines(text)
      const broken = ["{", "null", '{"event":{"id":"x"}}', '{"what":1}', '{"end":{}}', "1"]
      writeFileSync(file, [...all.slice(0, 4), ...broken, ...all.slice(4)].join("\n").slice(0, -40))
      const logged: Array<unknown> = []
      const log = Logger.make(({ message }) => void logged.push(...(message as ReadonlyArray<unknown>)))
      const done = yield* Effect.provide(importFrom(to, file), Logger.add(log))
      assert.deepInclude(done, { recorded: 5, broken_lines: 7, whole: false })
      assert.lengthOf(logged, 7)
      assert.deepStrictEqual(logged[0], `${file}, line 5: it is not a JSON object; it is left out`)
      assert.deepStrictEqual(logged.slice(5), [
        `${file}: 7 lines in all are left out`,
        `${file} is not whole: its export ended early, or lines are missing`,
      ])
      writeFileSync(file, `\ufeff${text.replaceAll("\n", "\r\n")}`)
      assert.deepInclude(yield* importFrom(to, file), { recorded: 0, broken_lines: 0, whole: true })
      assert.deepStrictEqual((yield* contentOf(to)).events, (yield* contentOf(from)).events)
    }),
  )

  it.scoped("says how many calls it left out because they are older than what was pruned", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to] = [yield* openStore, yield* openStore]
      yield* record(from, [toolUse({ usedAt: at(-86_400) }), toolUse({ usedAt: at(0) }), toolUse({ usedAt: at(1) })])
      yield* inStore(
        to,
        Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.beginPrune("2026-01-31")),
      )
      assert.deepInclude(yield* send(from, to), { recorded: 2, already_known: 0, pruned: 1 })
      assert.deepInclude(yield* send(from, to), { recorded: 0, already_known: 2, pruned: 1 })
    }),
  )

  it.scoped("stores none of a batch that fails", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to] = [yield* openStore, yield* openStore]
      yield* record(from, [toolUse({ usedAt: at(1) }), toolUse({ usedAt: at(2), toolUseId: "no" })])
      yield* query(
        to,
        `CREATE TRIGGER no BEFORE INSERT ON tool_usage_events WHEN new.tool_use_id = 'no'
         BEGIN SELECT RAISE(ABORT, 'no'); END`,
      )
      yield* Effect.flip(send(from, to))
      const { events, tools, projects } = yield* contentOf(to)
      assert.deepStrictEqual([events, tools, projects], [[], [], []])
    }),
  )

  it.scoped("reads what older programs wrote, and refuses what newer ones did", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [to, file] = [yield* openStore, freshFile()]
      const call = {
        tool_name: "Bash",
        session_id: "s",
        project_hash: null,
        success: 1,
        created_at: at(0),
        source: "plugin",
      }
      const others = { duration_ms: null, subagent: null, target: null, server_name: null, failure_kind: null }
      const old = [
        { tooltrail: "events", version: 1, store: "a", exported_at: at(0), since: null },
        {
          tool: {
            name: "x",
            tool_type: "skill",
            scope: "global",
            source: "hook",
            project_hash: null,
            description: null,
            server_name: null,
            discovered_at: at(0),
            updated_at: at(0),
          },
          baselines: [{ origin: "a", count: 3, last_used_at: null, counted: null }],
        },
        { event: { id: 1, ...call, ...others, agent: "claude-code", tool_use_id: "toolu_1", was_unnamed: 1 } },
        { event: { id: 2, ...call, ...others, agent: "claude-code", tool_use_id: null } },
        { event: { id: 3, ...call, ...others, agent: null, tool_use_id: null } },
        { event: { origin: "a", id: 3, ...call, ...others, agent: null, tool_use_id: null } },
        { end: { projects: 0, tools: 1, events: 4 } },
      ]
      writeFileSync(file, old.map((line) => `${JSON.stringify(line)}\n`).join(""))
      assert.deepInclude(yield* importFrom(to, file), { recorded: 3, already_known: 1, broken_lines: 0, whole: true })
      assert.deepStrictEqual(yield* query(to, "SELECT name, usage_count FROM tool_registry ORDER BY name"), [
        { name: "Bash", usage_count: 3 },
        { name: "x", usage_count: 0 },
      ])
      writeFileSync(file, JSON.stringify({ ...old[0], version: 3 }))
      const error = yield* Effect.flip(importFrom(to, file))
      assert.include(error.message, "version: is 3, this program reads up to 2; update tooltrail")
    }),
  )
})

describe("tooltrail export and import", () => {
  const headerOnly = freshFile()
  writeFileSync(headerOnly, '{"tooltrail":"events","version":2,"exported_at":"2026-01-01 00:00:00","since":null}\n')

  it("write a file for its owner only, never over another unless forced, and read it", async () => {
    const home = freshHome()
    const file = join(temporaryFolder(), "calls.jsonl")
    await runHook(home, hookPayload("a"))
    const wrote = await runCli(home, ["export", file])
    assert.deepStrictEqual([wrote.code, wrote.stdout, wrote.stderr], [0, `Wrote 1 call to ${file}\n`, ""])
    assert.strictEqual(statSync(file).mode & 0o777, 0o600)
    const before = readFileSync(file)
    const refused = await runCli(home, ["export", file])
    assert.deepStrictEqual([refused.code, refused.stdout, lines(refused.stderr).length], [1, "", 1])
    assert.include(refused.stderr, "--force replaces it")
    assert.isTrue(before.equals(readFileSync(file)))
    await runHook(home, hookPayload("b"))
    assert.strictEqual((await runCli(home, ["export", "--force", file])).stdout, `Wrote 2 calls to ${file}\n`)

    const other = freshHome()
    const read = await runCli(other, ["import", file])
    assert.deepStrictEqual([read.code, read.stderr], [0, ""])
    assert.include(read.stdout, `Recorded 2 calls from ${file} (0 known already).`)
    const again = JSON.parse((await runCli(other, ["import", file, "--json"])).stdout)
    assert.deepInclude(again, { files: 1, calls_found: 2, recorded: 0, already_known: 2, broken_lines: 0 })
    assert.hasAllKeys(again, [
      ...["files", "lines", "calls_found", "recorded", "already_known", "pruned", "broken_lines"],
      ...["tools", "projects", "whole", "seconds"],
    ])
  })

  it("write to standard output nothing but the export, calls that wait in the spool with it", async () => {
    const home = freshHome()
    await runHook(home, hookPayload("a"))
    mkdirSync(join(home, "spool"), { recursive: true })
    writeFileSync(join(home, "spool", spoolFile(0)), JSON.stringify(toolUse({ toolUseId: "b", usedAt: at(0) })))
    const { code, stdout, stderr } = await runCli(home, ["export", "--format", "csv"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.lengthOf(lines(stdout), 3)
    const since = await runCli(home, ["export", "--since", "1h"])
    assert.lengthOf(
      lines(since.stdout).filter((line) => line.startsWith('{"event"')),
      1,
    )
  })

  it.each<[string, ReadonlyArray<string>, string]>([
    ["a format that there is not", ["export", "--format", "xml"], "jsonl, csv"],
    ["no window", ["export", "--since", "x"], "window"],
    ["no value", ["export", "--format"], "--format needs a value"],
    ["an export among other files", ["import", "/nowhere", headerOnly], "it is an export, which is imported by itself"],
    ["two databases", ["import", "laminark", "a.db", "b.db"], "one database at a time"],
  ])("say in one line what is wrong with %s", async (_, args, trouble) => {
    const home = freshHome()
    const { code, stdout, stderr } = await runCli(home, args)
    assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
    assert.include(stderr, trouble)
    assert.throws(() => statSync(home), "ENOENT")
  })

  it.effect("move calls from transcripts, which are known when the transcripts are read there", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      const { stdout } = yield* Effect.promise(() => runCli(from, ["import", realTranscripts, "--json"]))
      const { recorded } = JSON.parse(stdout)
      yield* Effect.promise(() => runCli(from, ["export", file]))
      const { code, stderr } = yield* Effect.promise(() => runCli(to, ["import", file]))
      assert.deepStrictEqual([code, stderr], [0, ""])
      const [before, after] = [yield* contentOf(from), yield* contentOf(to)]
      assert.deepStrictEqual(after.events, before.events)
      assert.isTrue(after.events.some((event) => event.duration_is_estimated === 1))
      const again = yield* Effect.promise(() => runCli(to, ["import", realTranscripts, "--json"]))
      assert.deepInclude(JSON.parse(again.stdout), { recorded: 0, already_known: recorded })
    }),
  )

  it("say that nothing is recorded yet, and make no file", async () => {
    const file = join(temporaryFolder(), "x.jsonl")
    const { code, stdout, stderr } = await runCli(freshHome(), ["export", file])
    assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1])
    assert.include(stderr, "nothing is recorded yet")
    assert.throws(() => statSync(file), "ENOENT")
  })
})
