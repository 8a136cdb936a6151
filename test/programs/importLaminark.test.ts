import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { lines, runCli, temporaryFolder } from "../support/processes.ts"
import { toolUse } from "../support/toolUses.ts"
import {
  contentOf,
  exportTo,
  importFrom,
  importLaminarkFrom,
  inStore,
  openStore,
  query,
  type StorePlace,
} from "../support/transfer.ts"

/** The tables as laminark makes them, with a column of a later version of it, and its own account of migrations. */
const laminark = `
  CREATE TABLE _migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL);
  INSERT INTO _migrations VALUES (16, 'create_tool_registry'), (17, 'create_tool_usage_events'), (19, 'add_status');
  CREATE TABLE project_metadata (
    project_hash TEXT PRIMARY KEY, project_path TEXT NOT NULL, display_name TEXT,
    last_seen_at TEXT NOT NULL DEFAULT (datetime('now')));
  CREATE TABLE tool_registry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, tool_type TEXT NOT NULL, scope TEXT NOT NULL, source TEXT NOT NULL,
    project_hash TEXT, description TEXT, server_name TEXT,
    usage_count INTEGER NOT NULL DEFAULT 0, last_used_at TEXT,
    discovered_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now')),
    status TEXT NOT NULL DEFAULT 'active');
  CREATE TABLE tool_usage_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tool_name TEXT NOT NULL, session_id TEXT, project_hash TEXT,
    success INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL DEFAULT (datetime('now')));
  INSERT INTO project_metadata VALUES ('00000000000000aa', '/work of mine/a', 'A', '2026-01-05 00:00:00');
  INSERT INTO tool_registry (name, tool_type, scope, source, project_hash, description, server_name, usage_count, last_used_at, discovered_at, updated_at) VALUES
    ('Bash', 'builtin', 'global', 'hook:PostToolUse', NULL, NULL, NULL, 5, '2026-01-04 00:00:00', '2026-01-01 00:00:00', '2026-01-04 00:00:00'),
    ('mcp__x__y', 'mcp_tool', 'project', 'hook:PostToolUse', '00000000000000aa', NULL, 'x', 1, '2026-01-02 00:00:01', '2026-01-02 00:00:01', '2026-01-02 00:00:01'),
    ('mcp__x__*', 'mcp_server', 'project', 'config:.mcp.json', '00000000000000aa', 'the server x', 'x', 0, NULL, '2026-01-01 00:00:00', '2026-01-01 00:00:00'),
    ('Read', 'builtin', 'global', 'hook:PostToolUse', NULL, NULL, NULL, 1, '2026-01-03 00:00:00', '2026-01-03 00:00:00', '2026-01-03 00:00:00');
  INSERT INTO tool_usage_events (tool_name, session_id, project_hash, success, created_at) VALUES
    ('Bash', 's1', NULL, 1, '2026-01-01 00:00:00'), ('Bash', 's1', NULL, 0, '2026-01-02 00:00:00'),
    ('Bash', NULL, NULL, 1, '2026-01-02 00:00:00'), ('mcp__x__y', 's1', '00000000000000aa', 1, '2026-01-02 00:00:01'),
    ('Read', 's1', NULL, 1, '2026-01-02 23:59:59'), ('Read', 's1', NULL, 1, '2026-01-03 00:00:01');`

const change = (path: string, sql: string) => {
  const database = new Database(path)
  database.exec(sql)
  database.close()
}

const source = (sql = laminark) => {
  const path = join(temporaryFolder(), "data.db")
  change(path, sql)
  return path
}

const NOW = Date.UTC(2026, 1)

const freshHome = () => join(temporaryFolder(), "home")

const counts = (home: StorePlace) =>
  Effect.map(
    query(
      home,
      "SELECT name, usage_count, last_used_at, discovered_at, COALESCE(baseline_count, 0) AS b FROM tool_registry ORDER BY name",
    ),
    (rows) => rows.map((row) => Object.values(row)),
  )

const drift = (home: StorePlace) =>
  inStore(
    home,
    Effect.flatMap(ToolRegistry, ({ findDrift }) => findDrift),
  )

describe("import laminark", () => {
  it.scoped("keeps tools, calls, counts and times, and the registry stays provable", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const home = yield* openStore
      const done = yield* importLaminarkFrom(home, source())
      assert.deepInclude(done, {
        tools: 4,
        calls_found: 6,
        recorded: 6,
        already_known: 0,
        counted_only: 2,
        broken_rows: 0,
      })
      assert.deepStrictEqual(yield* counts(home), [
        ["Bash", 5, "2026-01-04 00:00:00", "2026-01-01 00:00:00", 2],
        // laminark counts from the second use on, and its clock may pass a second between its two writes.
        ["Read", 2, "2026-01-03 00:00:01", "2026-01-02 23:59:59", 0],
        ["mcp__x__*", 0, null, "2026-01-01 00:00:00", 0],
        ["mcp__x__y", 1, "2026-01-02 00:00:01", "2026-01-02 00:00:01", 0],
      ])
      assert.isEmpty(yield* drift(home))
      const { events, projects, tools } = yield* contentOf(home)
      assert.deepStrictEqual(
        events.map((event) => [event.tool_name, event.session_id, event.success, event.created_at]),
        [
          ["Bash", "s1", 1, "2026-01-01 00:00:00"],
          ["Bash", null, 1, "2026-01-02 00:00:00"],
          ["Bash", "s1", 0, "2026-01-02 00:00:00"],
          ["mcp__x__y", "s1", 1, "2026-01-02 00:00:01"],
          ["Read", "s1", 1, "2026-01-02 23:59:59"],
          ["Read", "s1", 1, "2026-01-03 00:00:01"],
        ],
      )
      assert.deepStrictEqual(
        [...new Set(events.map((event) => `${event.agent} ${event.source}`))],
        ["claude-code import"],
      )
      assert.deepInclude(projects[0], { project_hash: "00000000000000aa", root: "/work of mine/a", name: "a" })
      assert.deepInclude(
        tools.find(({ name }) => name === "mcp__x__*"),
        { tool_type: "mcp_server", source: "config:.mcp.json", description: "the server x", server_name: "x" },
      )
    }),
  )

  it.scoped("changes nothing when repeated, also under another name, and adds only what is new when it has grown", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [home, first] = [yield* openStore, source()]
      yield* importLaminarkFrom(home, first)
      const before = yield* contentOf(home)
      const moved = join(dirname(first), "moved.db")
      renameSync(first, moved)
      assert.deepInclude(yield* importLaminarkFrom(home, moved), { recorded: 0, already_known: 6, counted_only: 0 })
      assert.deepStrictEqual(yield* contentOf(home), before)
      change(
        moved,
        `UPDATE tool_registry SET usage_count = usage_count + 3, last_used_at = '2026-01-06 00:00:00' WHERE name = 'Bash';
         INSERT INTO tool_usage_events (tool_name, session_id, created_at) VALUES
           ('Bash', 's2', '2026-01-05 00:00:00'), ('Bash', 's2', '2026-01-06 00:00:00'), ('New', 's2', '2026-01-06 00:00:00');`,
      )
      assert.deepInclude(yield* importLaminarkFrom(home, moved), { recorded: 3, already_known: 6, counted_only: 1 })
      const [bash, added] = yield* counts(home)
      assert.deepStrictEqual(bash, ["Bash", 8, "2026-01-06 00:00:00", "2026-01-01 00:00:00", 3])
      assert.deepStrictEqual(added, ["New", 1, "2026-01-06 00:00:00", "2026-01-06 00:00:00", 0])
      assert.isEmpty(yield* drift(home))
      // What it forgets stays.
      change(moved, "DELETE FROM tool_usage_events WHERE id < 5")
      const grown = yield* contentOf(home)
      assert.deepInclude(yield* importLaminarkFrom(home, moved), { recorded: 0, counted_only: 0 })
      assert.deepStrictEqual(yield* contentOf(home), grown)
    }),
  )

  it.scoped("adds to what is there; the earlier discovery and the later use win", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const home = yield* openStore
      yield* inStore(
        home,
        recordToolUse(
          toolUse({ projectHash: null, projectRoot: null, usedAt: Timestamp.fromEpochMillis(Date.UTC(2026, 0, 3)) }),
        ),
      )
      yield* importLaminarkFrom(home, source())
      const [bash] = yield* counts(home)
      assert.deepStrictEqual(bash, ["Bash", 6, "2026-01-04 00:00:00", "2026-01-01 00:00:00", 2])
      assert.isEmpty(yield* drift(home))
    }),
  )

  it.scoped("leaves out what is recorded here of the same sessions under the agent's own ids", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [home, path] = [yield* openStore, source()]
      const recorded = (sessionId: string, usedAt: string, toolUseId: string) =>
        recordToolUse(
          toolUse({
            ...{ sessionId, toolUseId, projectHash: null, projectRoot: null },
            usedAt: usedAt as Timestamp.Timestamp,
          }),
        )
      yield* inStore(home, recorded("s1", "2026-01-02 00:00:00", "toolu_1"))
      yield* inStore(home, recorded("s2", "2026-01-09 00:00:00", "toolu_2"))
      // Three events of s1 are from before, or as shortly after as clocks differ; of Bash two, so that its count beyond them stays 2.
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 3, already_known: 3, counted_only: 2 })
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 0, already_known: 6, counted_only: 0 })
      // Bash is counted five times there. Three of these uses are events, and two of those are the calls of s1 here.
      change(
        path,
        `UPDATE tool_registry SET usage_count = usage_count + 2, last_used_at = '2026-01-05 00:00:00' WHERE name = 'Bash';
         INSERT INTO tool_usage_events (tool_name, session_id, created_at) VALUES ('Bash', 's2', '2026-01-05 00:00:00');`,
      )
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 0, already_known: 7, counted_only: 1 })
      assert.isEmpty(yield* drift(home))
    }),
  )

  it.scoped("is replaced by the calls that a transcript shows of a session", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [home, path] = [yield* openStore, source()]
      yield* importLaminarkFrom(home, path)
      const shown = [
        toolUse({ sessionId: "s1", toolUseId: "toolu_1", usedAt: "2026-01-02 00:00:02" as Timestamp.Timestamp }),
      ]
      yield* inStore(
        home,
        Effect.flatMap(UsageEvents, ({ removeProvisional }) => removeProvisional(shown)),
      )
      yield* inStore(home, recordToolUse(shown[0] as (typeof shown)[number]))
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 0, counted_only: 0 })
      assert.lengthOf((yield* contentOf(home)).events, 4)
      assert.isEmpty(yield* drift(home))
    }),
  )

  it.scoped("says how many calls it left out because they are older than what was pruned", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [home, path] = [yield* openStore, source()]
      yield* inStore(
        home,
        Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.beginPrune("2026-01-02")),
      )
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 5, pruned: 1, counted_only: 2 })
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 0, pruned: 1, counted_only: 0 })
    }),
  )

  it.scoped("knows calls that came from it through an export", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [home, other, path] = [yield* openStore, yield* openStore, source()]
      const file = join(temporaryFolder(), "x.jsonl")
      yield* importLaminarkFrom(home, path)
      yield* exportTo(home, file)
      yield* importFrom(other, file)
      assert.deepInclude(yield* importLaminarkFrom(other, path), { recorded: 0, counted_only: 2 })
      assert.deepStrictEqual(yield* contentOf(other), yield* contentOf(home))
    }),
  )

  it.scoped("takes two databases whose ids are the same", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const home = yield* openStore
      yield* importLaminarkFrom(home, source())
      // A call without a session, of the same id and second, is taken for the same call.
      const elsewhere = laminark
        .replaceAll("'s1'", "'s9'")
        .replace("1, '2026-01-02 00:00:00'), ('mcp", "1, '2026-01-02 00:00:09'), ('mcp")
        .replaceAll("'2026-01-01 00:00:00', '2026-01-04", "'2026-01-01 00:00:09', '2026-01-04")
      assert.deepInclude(yield* importLaminarkFrom(home, source(elsewhere)), { recorded: 6, counted_only: 2 })
      assert.isEmpty(yield* drift(home))
    }),
  )

  it.scoped("leaves out rows that it cannot read, counts them, and reads times as ISO 8601 writes them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const [home, path] = [yield* openStore, source()]
      change(
        path,
        `INSERT INTO tool_usage_events (tool_name, created_at) VALUES ('', '2026-01-01 00:00:00'), ('Bash', 'yesterday'), ('Bash', x'00');
         UPDATE tool_usage_events SET created_at = '2026-01-01T01:00:00.500+01:00' WHERE id = 1;`,
      )
      assert.deepInclude(yield* importLaminarkFrom(home, path), { recorded: 6, broken_rows: 3 })
      const [first] = (yield* contentOf(home)).events
      assert.strictEqual(first?.created_at, "2026-01-01 00:00:00")
    }),
  )

  it.scoped("stores all or nothing", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const home = yield* openStore
      yield* query(home, "CREATE TRIGGER no BEFORE INSERT ON imported_baselines BEGIN SELECT RAISE(ABORT, 'no'); END")
      yield* Effect.flip(importLaminarkFrom(home, source()))
      const { events, tools, projects } = yield* contentOf(home)
      assert.deepStrictEqual([events, tools, projects], [[], [], []])
    }),
  )
})

describe("the database of laminark", () => {
  const bytesIn = (folder: string) =>
    readdirSync(folder)
      .filter((name) => !name.endsWith("-shm"))
      .map((name) => [name, readFileSync(join(folder, name)).toString("base64")])

  it.scoped("stays as it is, and nothing is left beside it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const rollback = source()
      const wal = source(`PRAGMA journal_mode = WAL; ${laminark}`)
      for (const path of [rollback, wal]) {
        const before = bytesIn(dirname(path))
        assert.strictEqual((yield* importLaminarkFrom(yield* openStore, path)).recorded, 6)
        assert.deepStrictEqual(bytesIn(dirname(path)), before)
        assert.deepStrictEqual(readdirSync(dirname(path)), ["data.db"])
      }
    }),
  )

  it.scoped("is read with its WAL, whether in use or left by a killed process", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      const path = source(`PRAGMA journal_mode = WAL; ${laminark}`)
      const user = new Database(path)
      user.exec(
        "INSERT INTO tool_usage_events (tool_name, session_id, created_at) VALUES ('Grep', 's3', '2026-01-07 00:00:00')",
      )
      const left = join(temporaryFolder(), "data.db")
      for (const suffix of ["", "-wal"]) writeFileSync(left + suffix, readFileSync(path + suffix))
      for (const place of [path, left]) {
        const before = bytesIn(dirname(place))
        assert.lengthOf(before, 2)
        assert.strictEqual((yield* importLaminarkFrom(yield* openStore, place)).recorded, 7)
        assert.deepStrictEqual(bytesIn(dirname(place)), before)
      }
      assert.deepStrictEqual(readdirSync(dirname(left)), ["data.db", "data.db-wal"])
      user.close()
    }),
  )

  it.each<[string, (folder: string) => string, string]>([
    ["is not there", (folder) => join(folder, "x.db"), "no such file"],
    ["is a folder", (folder) => folder, "it is not a file"],
    [
      "is no database",
      (folder) => {
        writeFileSync(join(folder, "x.db"), "no database at all ".repeat(100))
        return join(folder, "x.db")
      },
      "file is not a database",
    ],
    ["lacks a table", () => source("CREATE TABLE tool_registry (id)"), "its table tool_registry has no column name"],
    [
      "lacks the events",
      () =>
        source(
          laminark.replace("TABLE tool_usage_events", "TABLE other").replace(/INSERT INTO tool_usage_events[^;]*;/, ""),
        ),
      "it has no table tool_usage_events",
    ],
    [
      "is a store of tooltrail",
      () => source(`${laminark} ALTER TABLE tool_usage_events ADD COLUMN tool_use_id TEXT;`),
      "it is a tooltrail store; bring its calls over with `tooltrail export`",
    ],
  ])("is refused in one line if it %s", async (_, make, trouble) => {
    const home = freshHome()
    const { code, stdout, stderr } = await runCli(home, ["import", "laminark", make(temporaryFolder())])
    assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
    assert.include(stderr, trouble)
    assert.isFalse(existsSync(home))
  })
})

describe("tooltrail import laminark", () => {
  it("takes a store as migrations 16 and 17 left it, and prints one JSON value", async () => {
    const [home, path] = [
      freshHome(),
      source(readFileSync(join(import.meta.dirname, "..", "fixtures", "schema-17.sql"), "utf8")),
    ]
    const { code, stdout, stderr } = await runCli(home, ["import", "laminark", path, "--json"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    const { seconds, ...rest } = JSON.parse(stdout)
    assert.isNumber(seconds)
    assert.deepStrictEqual(rest, {
      ...{ path, tools: 1, calls_found: 1, recorded: 1, already_known: 0 },
      ...{ pruned: 0, counted_only: 0, broken_rows: 0 },
    })
    const doctor = await runCli(home, ["doctor"])
    assert.include(doctor.stdout, "tool counts match the recorded calls")
  })

  it("names the first rows that it cannot read, and counts them", async () => {
    const path = source()
    change(
      path,
      `INSERT INTO tool_usage_events (id, tool_name, created_at) VALUES (77, 'Bash', 'yesterday');
       UPDATE project_metadata SET last_seen_at = 'never'`,
    )
    const { code, stdout, stderr } = await runCli(freshHome(), ["import", "laminark", path])
    assert.strictEqual(code, 0)
    assert.include(stdout, "(0 known already, 2 uses that it only counted, 2 broken rows)")
    assert.deepStrictEqual(lines(stderr), [
      `tooltrail: ${path}, row 77 of tool_usage_events: created_at: is not a time; it is left out`,
      `tooltrail: ${path}, row 00000000000000aa of project_metadata: last_seen_at: is not a time; it is left out`,
    ])
    change(path, "UPDATE tool_usage_events SET tool_name = ''")
    const { stderr: many } = await runCli(freshHome(), ["import", "laminark", path])
    assert.lengthOf(lines(many), 6)
    assert.include(lines(many)[0], "row 1 of tool_usage_events: tool_name: ")
    assert.strictEqual(lines(many)[5], `tooltrail: ${path}: 8 rows in all are left out`)
  })

  it("finds the database in laminark's usual places, and names the places that it searched", async () => {
    const user = temporaryFolder()
    const none = await runCli(freshHome(), ["import", "laminark"], { env: { HOME: user } })
    assert.deepStrictEqual([none.code, none.stdout, lines(none.stderr).length], [1, "", 1])
    assert.include(none.stderr, join(user, ".laminark", "data.db"))
    for (const place of [".laminark", join(".claude", "plugins", "cache", "laminark", "data")]) {
      mkdirSync(join(user, place), { recursive: true })
      change(join(user, place, "data.db"), laminark)
      const found = await runCli(freshHome(), ["import", "laminark"], { env: { HOME: user } })
      assert.include(
        found.stdout,
        `Recorded 6 calls from ${join(user, place, "data.db")} (0 known already, 2 uses that it only counted)`,
      )
    }
    const chosen = await runCli(freshHome(), ["import", "laminark"], {
      env: { HOME: temporaryFolder(), LAMINARK_DATA_DIR: join(user, ".laminark") },
    })
    assert.strictEqual(chosen.code, 0)
  })
})
