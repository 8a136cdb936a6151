import { appendFileSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { projectFromRoot } from "../../src/domain/projectFromRoot.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { recordOrCreate, recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { hookPayload, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"
import { realTranscripts } from "../support/transcripts.ts"
import { contentOf, exportTo, importFrom, inStore, query } from "../support/transfer.ts"

const NOW = Date.UTC(2026, 0, 31)

const freshHome = () => join(temporaryFolder(), "home")
const freshFile = (name = "x.jsonl") => join(temporaryFolder(), name)

const record = (home: string, uses: ReadonlyArray<ToolUse>) =>
  inStore(home, Effect.forEach(uses, recordToolUse, { discard: true }))

/** A use that the aggregate counts and no event tells of. */
const count = (home: string, name: string) =>
  inStore(
    home,
    recordOrCreate(name, {
      toolType: "skill",
      scope: "global",
      source: "library",
      projectHash: null,
      description: `what ${name} does`,
      serverName: null,
    }),
  )

const drift = (home: string) =>
  inStore(
    home,
    Effect.flatMap(ToolRegistry, ({ findDrift }) => findDrift),
  )

const at = (second: number) => Timestamp.fromEpochMillis(NOW + second * 1000)

const oddTexts = fc.constantFrom(
  "",
  " ",
  "a,b",
  'say "no"',
  "line\nend",
  "line\r\nend",
  "=1+1",
  "é漢🙂",
  "\ufeffx",
  "null",
  "'",
)

describe("an export", () => {
  it.live("gives the same store back, again changes nothing, and comes home without doubles", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(toolUses(NOW, 40), fc.array(oddTexts, { maxLength: 8 }), fc.nat(3), (uses, odd, counts) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const [from, to, file] = [freshHome(), freshHome(), freshFile()]
              const oddUses = odd.map((text, second) =>
                toolUse({ toolName: text || "x", sessionId: text, target: text, subagent: text, usedAt: at(second) }),
              )
              yield* record(from, [...uses, ...oddUses])
              for (let n = 0; n < counts; n++) yield* count(from, `skill ${n % 2}`)
              // As a store of an older schema has them.
              yield* query(from, "UPDATE tool_usage_events SET agent = NULL, source = NULL WHERE id % 3 = 0")
              const before = yield* contentOf(from)
              yield* exportTo(from, file)

              const first = yield* importFrom(to, file)
              assert.deepInclude(first, {
                recorded: before.events.length,
                already_known: 0,
                broken_lines: 0,
                whole: true,
              })
              assert.deepStrictEqual(yield* contentOf(to), before)
              assert.isEmpty(yield* drift(to))

              assert.deepInclude(yield* importFrom(to, file), { recorded: 0, already_known: before.events.length })
              assert.deepStrictEqual(yield* contentOf(to), before)
              assert.strictEqual((yield* importFrom(from, file)).recorded, 0)
              yield* exportTo(to, file)
              assert.strictEqual((yield* importFrom(from, file)).recorded, 0)
              assert.deepStrictEqual(yield* contentOf(from), before)
            }),
          ),
        ),
        { numRuns: 25 },
      ),
    ),
  )

  it.effect("as comma-separated values holds events and projects, and tells null from an empty text", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [from, to, file] = [freshHome(), freshHome(), freshFile("x.csv")]
      const root = '/projects/a, "b"'
      const project = projectFromRoot(root)
      yield* record(from, [
        toolUse({ sessionId: "", target: null, usedAt: at(1), projectHash: project.hash, projectRoot: root }),
        toolUse({ sessionId: null, target: "", usedAt: at(2), toolName: 'line\r\nend, "x"', durationMs: 7 }),
        toolUse({ toolUseId: "toolu_1", usedAt: at(3), success: false, failureKind: "interrupted" }),
      ])
      const { text } = yield* exportTo(from, file, "csv")
      assert.match(text, /^origin,id,tool_name,session_id,project_hash,project_root,success,created_at,.*\r\n/)
      assert.strictEqual((yield* importFrom(to, file)).recorded, 3)
      const [before, after] = [yield* contentOf(from), yield* contentOf(to)]
      assert.deepStrictEqual(after.events, before.events)
      assert.deepStrictEqual(after.projects, before.projects)
      assert.deepStrictEqual(
        after.tools.map((tool) => [tool.name, tool.usage_count, tool.last_used_at, tool.discovered_at]),
        before.tools.map((tool) => [tool.name, tool.usage_count, tool.last_used_at, tool.discovered_at]),
      )
      assert.strictEqual((yield* importFrom(to, file)).recorded, 0)
      assert.deepStrictEqual(yield* contentOf(to), after)
      assert.isEmpty(yield* drift(to))
      // The other format names the same events alike.
      yield* exportTo(from, file, "jsonl")
      assert.strictEqual((yield* importFrom(to, file)).recorded, 0)
    }),
  )

  it.effect("of nothing is a file that can be imported, in either format", () =>
    Effect.gen(function* () {
      for (const format of ["jsonl", "csv"] as const) {
        const [from, to, file] = [freshHome(), freshHome(), freshFile()]
        yield* record(from, [])
        assert.strictEqual((yield* exportTo(from, file, format)).events, 0)
        assert.deepInclude(yield* importFrom(to, file), { calls_found: 0, broken_lines: 0 })
      }
    }),
  )

  it.effect("is in the order of time, and the same each time", () =>
    Effect.gen(function* () {
      const [from, file] = [freshHome(), freshFile()]
      yield* record(
        from,
        [5, 1, 3, 1].map((second, place) => toolUse({ toolName: `tool ${place}`, usedAt: at(second) })),
      )
      const { text } = yield* exportTo(from, file)
      assert.deepStrictEqual(
        lines(text).flatMap((line) => /"event":.*"tool_name":"(tool \d)"/.exec(line)?.[1] ?? []),
        ["tool 1", "tool 3", "tool 2", "tool 0"],
      )
      assert.strictEqual((yield* exportTo(from, file)).text, text)
    }),
  )

  it.effect("of a window or a project holds no more than that, and no counts without events of a window", () =>
    Effect.gen(function* () {
      const [from, file] = [freshHome(), freshFile()]
      yield* record(from, [
        toolUse({ usedAt: at(0) }),
        toolUse({ usedAt: at(10) }),
        toolUse({ usedAt: at(10), projectHash: projectB.hash, projectRoot: projectB.root }),
      ])
      yield* count(from, "x")
      const inWindow = yield* exportTo(from, file, "jsonl", { project: "all-projects", since: at(10) })
      assert.strictEqual(inWindow.events, 2)
      assert.notInclude(inWindow.text, '"count":')
      const windowed = freshHome()
      yield* importFrom(windowed, file)
      assert.isEmpty(yield* drift(windowed))
      const ofProject = yield* exportTo(from, file, "jsonl", { project: projectA.hash, since: null })
      assert.strictEqual(ofProject.events, 2)
      assert.notInclude(ofProject.text, projectB.hash)
      const ofNone = yield* exportTo(from, file, "jsonl", { project: null, since: null })
      assert.strictEqual(ofNone.events, 0)
      assert.include(ofNone.text, '"name":"x"')
    }),
  )
})

describe("importing exports", () => {
  it.effect("brings stores together with each event and each count once, on whatever way it comes", () =>
    Effect.gen(function* () {
      const [a, b, c] = [freshHome(), freshHome(), freshHome()]
      const [fileA, fileB] = [freshFile(), freshFile()]
      yield* record(a, [toolUse({ usedAt: at(1) }), toolUse({ usedAt: at(1) })])
      yield* count(a, "x")
      yield* exportTo(a, fileA)
      yield* importFrom(b, fileA)
      yield* record(b, [toolUse({ usedAt: at(1) })])
      yield* count(b, "x")
      yield* exportTo(b, fileB)
      for (const file of [fileB, fileA, fileB]) yield* importFrom(c, file)
      assert.strictEqual((yield* importFrom(a, fileB)).recorded, 1)
      for (const home of [a, b, c]) {
        const [row] = yield* query(home, "SELECT count(*) AS n FROM tool_usage_events")
        assert.strictEqual(row?.n, 3)
        const counts = yield* query(home, "SELECT name, usage_count FROM tool_registry ORDER BY name")
        assert.deepStrictEqual(counts, [
          { name: "Bash", usage_count: 3 },
          { name: "x", usage_count: 2 },
        ])
        assert.isEmpty(yield* drift(home))
      }
    }),
  )

  it.effect("adds only what a baseline has grown by", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      for (const expected of [1, 2, 3]) {
        yield* count(from, "x")
        yield* exportTo(from, file)
        yield* importFrom(to, file)
        yield* importFrom(to, file)
        assert.deepStrictEqual(yield* query(to, "SELECT usage_count, baseline_count, description FROM tool_registry"), [
          { usage_count: expected, baseline_count: expected, description: "what x does" },
        ])
      }
    }),
  )

  it.effect("knows events apart that a store and its copy wrote under one id", () =>
    Effect.gen(function* () {
      const [original, copy, file] = [freshHome(), freshHome(), freshFile()]
      yield* record(original, [toolUse({ usedAt: at(1) })])
      mkdirSync(copy)
      copyFileSync(join(original, "tooltrail.db"), join(copy, "tooltrail.db"))
      yield* record(original, [toolUse({ usedAt: at(2) })])
      yield* record(copy, [toolUse({ usedAt: at(3) })])
      yield* exportTo(copy, file)
      assert.deepInclude(yield* importFrom(original, file), { recorded: 1, already_known: 1 })
      assert.strictEqual((yield* importFrom(original, file)).recorded, 0)
    }),
  )

  it.effect("knows a call that the hook recorded as well", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      const use = toolUse({ toolUseId: "toolu_1", usedAt: at(1) })
      yield* record(from, [use])
      yield* record(to, [use])
      yield* exportTo(from, file)
      assert.deepInclude(yield* importFrom(to, file), { recorded: 0, already_known: 1 })
      assert.deepStrictEqual(yield* query(to, "SELECT usage_count FROM tool_registry"), [{ usage_count: 1 }])
    }),
  )

  it.effect.each([
    { created_at: "2026-13-01 00:00:00" },
    { created_at: "2026-02-30 10:00:00" },
    { created_at: "2026-11-27 24:00:00" },
    { duration_ms: 9e18 },
    { duration_ms: -1 },
  ])("takes no event that cannot be, with %o", (impossible) =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      yield* record(from, [toolUse({ usedAt: at(0) }), toolUse({ usedAt: at(1) })])
      const { text } = yield* exportTo(from, file)
      let isFirst = true
      const changed = lines(text).map((line) => {
        const { event, ...rest } = JSON.parse(line) as { readonly event?: object }
        if (event === undefined || !isFirst) return line
        isFirst = false
        return JSON.stringify({ event: { ...event, ...impossible }, ...rest })
      })
      writeFileSync(file, `${changed.join("\n")}\n`)
      assert.deepInclude(yield* importFrom(to, file), { recorded: 1, broken_lines: 1 })
    }),
  )

  it.effect("takes durations to the millisecond", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      yield* record(from, [toolUse({ usedAt: at(0), durationMs: 7 })])
      const { text } = yield* exportTo(from, file)
      writeFileSync(file, text.replace('"duration_ms":7', '"duration_ms":7.6'))
      assert.deepInclude(yield* importFrom(to, file), { recorded: 1, broken_lines: 0 })
      assert.deepStrictEqual(yield* query(to, "SELECT duration_ms FROM tool_usage_events"), [{ duration_ms: 8 }])
    }),
  )

  it.effect("counts and names what it cannot read, takes the rest, and says that a file is cut short", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      yield* record(
        from,
        Array.from({ length: 5 }, (_, second) => toolUse({ usedAt: at(second) })),
      )
      const { text } = yield* exportTo(from, file)
      const all = lines(text)
      const broken = [...all.slice(0, 4), "{", "null", '{"event":{"id":"x"}}', '{"what":1}', ...all.slice(4)]
      writeFileSync(file, broken.join("\n").slice(0, -40))
      assert.deepInclude(yield* importFrom(to, file), { recorded: 5, broken_lines: 5, whole: false })
      writeFileSync(file, text)
      assert.deepInclude(yield* importFrom(to, file), { recorded: 0, broken_lines: 0, whole: true })
      assert.deepStrictEqual((yield* contentOf(to)).events, (yield* contentOf(from)).events)

      const { text: rows } = yield* exportTo(from, file, "csv")
      const other = freshHome()
      appendFileSync(file, "a,b\r\n")
      assert.deepInclude(yield* importFrom(other, file), { recorded: 5, broken_lines: 1 })
      assert.lengthOf(lines(rows), 6)
    }),
  )

  it.effect("stores none of a batch that fails", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      yield* record(from, [toolUse({ usedAt: at(1) }), toolUse({ usedAt: at(2) })])
      yield* exportTo(from, file)
      yield* inStore(
        to,
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            CREATE TRIGGER no BEFORE INSERT ON event_origins WHEN new.origin_id = 2
            BEGIN SELECT RAISE(ABORT, 'no'); END`,
        ),
      )
      yield* Effect.flip(importFrom(to, file))
      const { events, tools } = yield* contentOf(to)
      assert.deepStrictEqual([events.length, tools.length], [0, 0])
    }),
  )

  it.effect("refuses a newer version, and takes along columns that both stores know", () =>
    Effect.gen(function* () {
      const [from, to, file] = [freshHome(), freshHome(), freshFile()]
      yield* record(from, [toolUse({ usedAt: at(1) })])
      for (const home of [from, to]) yield* query(home, "ALTER TABLE tool_usage_events ADD COLUMN later TEXT")
      yield* query(from, "ALTER TABLE tool_usage_events ADD COLUMN latest TEXT")
      yield* query(from, "UPDATE tool_usage_events SET later = 'a', latest = 'b'")
      for (const format of ["jsonl", "csv"] as const) {
        const home = freshHome()
        yield* query(home, "ALTER TABLE tool_usage_events ADD COLUMN later TEXT")
        yield* exportTo(from, file, format)
        assert.strictEqual((yield* importFrom(home, file)).recorded, 1)
        assert.deepStrictEqual(yield* query(home, "SELECT later FROM tool_usage_events"), [{ later: "a" }])
      }
      const { text } = yield* exportTo(from, file)
      writeFileSync(file, text.replace('"version":1', '"version":2'))
      const error = yield* Effect.flip(importFrom(to, file))
      assert.include(error.message, "it has version 2, this program reads up to 1; update tooltrail")
    }),
  )
})

describe("tooltrail export and import", () => {
  const headerOnly = freshFile()
  writeFileSync(
    headerOnly,
    '{"tooltrail":"events","version":1,"store":"x","exported_at":"2026-01-01 00:00:00","since":null}\n',
  )

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
    assert.include(refused.stderr, "there is a file of that name; --force replaces it")
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
      ...["files", "lines", "calls_found", "recorded", "already_known", "broken_lines"],
      ...["tools", "projects", "whole", "seconds"],
    ])
  })

  it("write to standard output nothing but the export, calls that wait in the spool with it", async () => {
    const home = freshHome()
    await runHook(home, hookPayload("a"))
    mkdirSync(join(home, "spool"), { recursive: true })
    writeFileSync(
      join(home, "spool", "000.json"),
      JSON.stringify({ owed: "call", use: toolUse({ toolUseId: "b", usedAt: at(0) }) }),
    )
    const { code, stdout, stderr } = await runCli(home, ["export", "--format", "csv"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.lengthOf(lines(stdout), 3)
    const since = await runCli(home, ["export", "--since", "1h"])
    assert.lengthOf(
      lines(since.stdout).filter((line) => line.startsWith('{"event"')),
      1,
    )
    const project = await runCli(home, ["export", "--project", "/nowhere"])
    assert.include(project.stdout, '"end":{"projects":1,"tools":1,"events":1}')
  })

  it.each<[string, ReadonlyArray<string>, string]>([
    ["a format that there is not", ["export", "--format", "xml"], "jsonl, csv"],
    ["no window", ["export", "--since", "x"], "is not a time window"],
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

  it.effect("move what was read from transcripts, in either format", () =>
    Effect.gen(function* () {
      const from = freshHome()
      const { stdout } = yield* Effect.promise(() => runCli(from, ["import", realTranscripts, "--json"]))
      assert.strictEqual(JSON.parse(stdout).recorded, 37)
      for (const format of ["jsonl", "csv"]) {
        const [to, file] = [freshHome(), freshFile(`x.${format}`)]
        yield* Effect.promise(() => runCli(from, ["export", "--format", format, file]))
        const { code, stderr } = yield* Effect.promise(() => runCli(to, ["import", file]))
        assert.deepStrictEqual([code, stderr], [0, ""])
        const [before, after] = [yield* contentOf(from), yield* contentOf(to)]
        assert.deepStrictEqual(after.events, before.events)
        assert.isTrue(after.events.some((event) => event.duration_is_estimated === 1))
        const again = yield* Effect.promise(() => runCli(to, ["import", realTranscripts, "--json"]))
        assert.deepInclude(JSON.parse(again.stdout), { recorded: 0, already_known: 37 })
      }
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
