import { spawnSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import {
  type Finished,
  hookProgram,
  lines,
  realPayloads,
  runHook,
  runProgram,
  temporaryFolder,
} from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"

const freshHome = () => join(temporaryFolder(), "home")

const payload = (fields: object = {}): string =>
  JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", session_id: "s", cwd: "/nowhere", ...fields })

const quiet = ({ code, stdout }: Finished) => assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: "" })

/** Exit 0, nothing on stdout, one line on stderr that names the trouble. */
const complains = (finished: Finished, trouble: string | RegExp) => {
  quiet(finished)
  assert.lengthOf(lines(finished.stderr), 1, finished.stderr)
  if (typeof trouble === "string") assert.include(finished.stderr, trouble)
  else assert.match(finished.stderr, trouble)
}

/** A home with one recorded call. */
const usedHome = async (): Promise<string> => {
  const home = freshHome()
  quiet(await runHook(home, payload({ tool_use_id: "toolu_first" })))
  return home
}

describe("the built hook", () => {
  it("records what Claude Code really sends, and changes nothing when it is sent again", async () => {
    const home = freshHome()
    const snapshot = () =>
      readStore(home, (all) => [
        all("SELECT * FROM tool_usage_events"),
        all("SELECT * FROM tool_registry"),
        all("SELECT * FROM projects"),
      ])
    for (const line of realPayloads) {
      const finished = await runHook(home, `${line}\n`)
      quiet(finished)
      assert.strictEqual(finished.stderr, "")
    }
    assert.deepStrictEqual(totals(home), { events: 5, successes: 3, aggregate: 5 })
    readStore(home, (all) => {
      assert.deepStrictEqual(all("SELECT name, usage_count FROM tool_registry ORDER BY name"), [
        { name: "Bash", usage_count: 3 },
        { name: "Read", usage_count: 1 },
        { name: "ToolSearch", usage_count: 1 },
      ])
      assert.lengthOf(all("SELECT DISTINCT session_id FROM tool_usage_events"), 1)
      assert.lengthOf(all("SELECT DISTINCT project_hash FROM tool_usage_events"), 1)
      assert.deepStrictEqual(all("SELECT root, name FROM projects"), [
        { root: "/tmp/shp-hooks-base-dwqg6d95", name: "shp-hooks-base-dwqg6d95" },
      ])
    })
    const before = snapshot()
    for (const line of realPayloads) quiet(await runHook(home, `${line}\n`))
    assert.deepStrictEqual(snapshot(), before)
  })

  it("keeps skills, subagents, servers and interrupts apart", async () => {
    const home = freshHome()
    for (const fields of [
      { tool_name: "Skill", tool_input: { skill: "pdf", args: "top secret" } },
      { tool_name: "Agent", tool_input: { subagent_type: "Explore", prompt: "top secret" } },
      { tool_name: "mcp__github__search" },
      { tool_name: "mcp__plugin_a_b__c", mcp_server: { name: "b", source: "plugin:a" } },
      { hook_event_name: "PostToolUseFailure", error: "top secret", is_interrupt: true },
    ]) {
      quiet(await runHook(home, payload({ ...fields, tool_response: "top secret" })))
    }
    readStore(home, (all) => {
      assert.deepStrictEqual(
        all("SELECT tool_name, target, server_name, failure_kind FROM tool_usage_events ORDER BY id"),
        [
          { tool_name: "Skill", target: "pdf", server_name: null, failure_kind: null },
          { tool_name: "Agent", target: "Explore", server_name: null, failure_kind: null },
          { tool_name: "mcp__github__search", target: null, server_name: "github", failure_kind: null },
          { tool_name: "mcp__plugin_a_b__c", target: null, server_name: "b", failure_kind: null },
          { tool_name: "Bash", target: null, server_name: null, failure_kind: "interrupted" },
        ],
      )
    })
    for (const file of readdirSync(home)) {
      assert.notInclude(readFileSync(join(home, file), "latin1"), "top secret", file)
    }
  })

  it("never records another agent's call as Claude Code's", async () => {
    const home = freshHome()
    const codex = payload({ turn_id: "t", transcript_path: null, tool_use_id: "call_1", tool_response: "ok" })
    quiet(await runHook(home, codex))
    quiet(await runHook(home, payload(), { env: { CLAUDECODE: "" } }))
    quiet(await runHook(home, payload(), { env: { CLAUDECODE: "1", DEVIN_PROJECT_DIR: "/p" } }))
    quiet(await runHook(home, payload()))
    const agents = readStore(home, (all) => all("SELECT agent FROM tool_usage_events ORDER BY id"))
    assert.deepStrictEqual(
      agents.map(({ agent }) => agent),
      ["codex", "unknown", "devin", "claude-code"],
    )
  })

  it("takes the project from CLAUDE_PROJECT_DIR, else from cwd, else none", async () => {
    const home = freshHome()
    for (const [cwd, CLAUDE_PROJECT_DIR] of [
      ["/somewhere/else", "/the/project"],
      ["/the/project", ""],
      ["", ""],
    ] as const) {
      quiet(await runHook(home, payload({ cwd }), { env: { CLAUDE_PROJECT_DIR } }))
    }
    readStore(home, (all) => {
      assert.deepStrictEqual(all("SELECT root FROM projects"), [{ root: "/the/project" }])
      const [first, second, third] = all("SELECT project_hash FROM tool_usage_events ORDER BY id")
      assert.deepStrictEqual(first, second)
      assert.deepStrictEqual(third, { project_hash: null })
    })
  })

  it("counts a call once if two hooks report it at the same time", async () => {
    const home = await usedHome()
    for (let round = 0; round < 3; round++) {
      const call = payload({ tool_use_id: `toolu_twice_${round}` })
      for (const finished of await Promise.all([runHook(home, call), runHook(home, call)])) quiet(finished)
    }
    assert.deepStrictEqual(totals(home), { events: 4, successes: 4, aggregate: 4 })
  })

  it("counts the call in the aggregate, exits 0 and logs one line if the events table is gone", async () => {
    const home = await usedHome()
    changeStore(home, "DROP TABLE tool_usage_events")
    complains(await runHook(home, payload({ tool_use_id: "toolu_2" })), "could not insert the event of a Bash call")
    assert.deepStrictEqual(
      readStore(home, (all) => all("SELECT usage_count FROM tool_registry")),
      [{ usage_count: 2 }],
    )
    const log = lines(readFileSync(join(home, "tooltrail.log"), "utf8"))
    assert.lengthOf(log, 1)
    assert.include(log[0], "could not insert the event of a Bash call")
    assert.strictEqual(statSync(join(home, "tooltrail.log")).mode & 0o777, 0o600)
  })
})

describe("the built hook beside a long WAL", () => {
  const MUCH_BYTES = 5_000_000

  /** Whether a hook writes the WAL back. */
  const isWrittenBack = async (home: string) => {
    const store = join(home, "tooltrail.db")
    const database = new Database(store)
    try {
      database.pragma("wal_autocheckpoint = 0")
      database.exec(`CREATE TABLE much AS SELECT zeroblob(${MUCH_BYTES}) AS bytes`)
      quiet(await runHook(home, payload({ tool_use_id: "toolu_second" })))
      assert.strictEqual(totals(home).events, 2)
      return statSync(store).size > MUCH_BYTES
    } finally {
      database.close()
    }
  }

  it("leaves that to an import that is running", async () => {
    const home = await usedHome()
    const lock = new Database(join(home, "import.lock"))
    lock.exec("BEGIN EXCLUSIVE")
    assert.isFalse(await isWrittenBack(home))
    lock.close()
  })

  it("writes that back if no import is running, or if one has ended", async () => {
    assert.isTrue(await isWrittenBack(await usedHome()))
    const home = await usedHome()
    writeFileSync(join(home, "import.lock"), "")
    assert.isTrue(await isWrittenBack(home))
  })
})

describe("the built hook on bad input", () => {
  const deep = "[".repeat(100_000)
  it.each<[string, string | Buffer, string]>([
    ["empty", "", "it is empty"],
    ["cut off", payload().slice(0, -9), "not one JSON value"],
    ["not JSON", "ls -la", "not one JSON value"],
    ["null", "null", "it is null"],
    ["an array", `[${payload()}]`, "it is an array"],
    ["50 MB of no JSON", "x".repeat(50_000_000), "not one JSON value"],
    ["deep and cut off", deep, "not one JSON value"],
    ["not UTF-8 and no JSON", Buffer.from([0xff, 0xfe, 0x7b, 0x00]), "not"],
    ["with a tool name of the wrong type", payload({ tool_name: ["Bash"] }), "tool_name is not a text"],
    ["with a tool name of 10,000 characters", payload({ tool_name: "x".repeat(10_000) }), "10000 characters long"],
    ["with NUL in the tool name", payload({ tool_name: "Ba\u0000sh" }), "control character"],
    ["with an escape sequence in the tool name", payload({ tool_name: "\u001b[31mBash" }), "control character"],
  ])("that is %s says so and harms nothing", async (_, input, trouble) => {
    const home = await usedHome()
    const finished = await runHook(home, input)
    complains(finished, trouble)
    assert.notInclude(finished.stderr, "ls -la")
    assert.deepStrictEqual(totals(home), { events: 1, successes: 1, aggregate: 1 })
  })

  it.each<[string, string | Buffer]>([
    ["with 50 MB of tool_response", payload({ tool_response: "x".repeat(50_000_000) })],
    ["with a deep tool_input", payload().replace(/}$/, `,"tool_input":${deep}${"]".repeat(100_000)}}`)],
    ["with a byte order mark", `\ufeff${payload()}`],
    ["with quotes in the tool name", payload({ tool_name: `a"b'c\`d` })],
    ["with SQL in the tool name", payload({ tool_name: "x'); DROP TABLE tool_usage_events; --" })],
    ["with SQL in the session", payload({ session_id: "' OR 1=1 --" })],
  ])("that is only unusual, %s, is recorded", async (_, input) => {
    const home = await usedHome()
    const finished = await runHook(home, input)
    quiet(finished)
    assert.strictEqual(finished.stderr, "")
    assert.deepStrictEqual(totals(home), { events: 2, successes: 2, aggregate: 2 })
  })

  it("records a call whose text is not UTF-8, and says so", async () => {
    const home = await usedHome()
    const input = Buffer.from(payload({ tool_response: "caf\u00e9" }), "latin1")
    complains(await runHook(home, input), "not UTF-8")
    assert.strictEqual(totals(home).events, 2)
  })

  it.each([
    ["a file", "< payload"],
    ["a pipe", "< <(cat payload)"],
    ["a here-document", '<<< "$(cat payload)"'],
  ])("reads it from %s", async (_, redirection) => {
    const home = await usedHome()
    const folder = temporaryFolder()
    writeFileSync(join(folder, "payload"), payload())
    const { status, stderr } = spawnSync(
      "bash",
      ["--norc", "-c", `${process.execPath} ${hookProgram} ${redirection}`],
      {
        cwd: folder,
        encoding: "utf8",
        env: { PATH: process.env.PATH ?? "", TOOLTRAIL_HOME: home },
      },
    )
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.strictEqual(totals(home).events, 2)
  })

  it("does without a standard input", async () => {
    const home = await usedHome()
    const command = `exec ${process.execPath} ${hookProgram} <&-`
    const { code, stdout, stderr } = await runProgram("-e", {
      args: [
        `const r = require("child_process").spawnSync("sh", ["-c", ${JSON.stringify(command)}], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
         process.stdout.write(JSON.stringify({ code: r.status, stdout: r.stdout, stderr: r.stderr }))`,
      ],
      env: { TOOLTRAIL_HOME: home },
    }).then((outer) => JSON.parse(outer.stdout) as Finished)
    complains({ code, stdout, stderr }, "it is empty")
  })

  it.each([
    ["nothing", "", /it is empty/, 1],
    ["half a payload", payload().slice(0, 30), /not one JSON value/, 1],
    ["a whole payload", payload(), /was not closed within 2 seconds/, 2],
  ])("does not wait for ever for the end of %s", async (_, input, trouble, events) => {
    const home = await usedHome()
    const finished = await runHook(home, input, { leaveOpen: true })
    complains(finished, trouble)
    assert.match(finished.stderr, /was not closed within 2 seconds/)
    assert.strictEqual(totals(home).events, events)
  })
})

describe("the built hook on a bad home", () => {
  const snapshot = (folder: string): ReadonlyArray<readonly [string, string]> =>
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "latin1")] as const)

  it("that is a file says so and leaves it", async () => {
    const file = join(temporaryFolder(), "file")
    writeFileSync(file, "precious")
    complains(await runHook(file, payload()), /not a directory|file already exists/)
    assert.strictEqual(readFileSync(file, "utf8"), "precious")
  })

  it.each(["", "relative/path"])("that is %j in TOOLTRAIL_HOME, with no HOME", async (home) => {
    const folder = temporaryFolder()
    const env = { TOOLTRAIL_HOME: home, HOME: home === "" ? "not/absolute" : folder }
    complains(
      await runProgram(hookProgram, { input: payload(), env, cwd: folder }),
      "could not find the folder for tooltrail's files",
    )
    assert.deepStrictEqual(readdirSync(folder), [])
  })

  it("is in XDG_DATA_HOME if that is set, else below HOME", async () => {
    const [xdg, HOME] = [temporaryFolder(), temporaryFolder()]
    quiet(await runProgram(hookProgram, { input: payload(), env: { XDG_DATA_HOME: xdg, HOME } }))
    assert.strictEqual(totals(join(xdg, "tooltrail")).events, 1)
    quiet(await runProgram(hookProgram, { input: payload(), env: { XDG_DATA_HOME: "not/absolute", HOME } }))
    assert.strictEqual(totals(join(HOME, ".local", "share", "tooltrail")).events, 1)
  })

  // Only root can become a user without an entry in the password file.
  it.runIf(process.getuid?.() === 0)(
    "is nowhere for a user without HOME and without an entry of their own",
    async () => {
      const finished = await runProgram(hookProgram, { input: payload(), env: { HOME: "" }, uid: 54321, cwd: "/" })
      complains(finished, "could not find the folder for tooltrail's files")
    },
  )

  it.each([
    ["an empty file", ""],
    ["no database", "not a database at all, ".repeat(400)],
  ])("that holds %s under the store's name says so and leaves it", async (_, content) => {
    const home = freshHome()
    mkdirSync(home, { mode: 0o700 })
    writeFileSync(join(home, "tooltrail.db"), content)
    complains(await runHook(home, payload()), /could not use the store/)
    assert.strictEqual(readFileSync(join(home, "tooltrail.db"), "utf8"), content)
  })

  it("that cannot be written says so and leaves it", async () => {
    const home = await usedHome()
    const copy = join(temporaryFolder(), "copy")
    cpSync(home, copy, { recursive: true })
    const before = snapshot(copy)
    chmodSync(join(copy, "tooltrail.db"), 0o400)
    chmodSync(copy, 0o500)
    // Root may write anything, so the hook runs as nobody if the tests run as root.
    const asNobody = process.getuid?.() === 0
    if (asNobody) {
      for (const path of [copy, join(copy, "tooltrail.db"), join(copy, "..")])
        chmodSync(path, statSync(path).mode | 0o055)
      chmodSync(join(copy, "tooltrail.db"), 0o444)
    }
    const finished = await runProgram(hookProgram, {
      input: payload({ tool_use_id: "toolu_2" }),
      env: { TOOLTRAIL_HOME: copy },
      ...(asNobody ? { uid: 65534 } : {}),
    })
    quiet(finished)
    complains(finished, /is lost$/m)
    chmodSync(copy, 0o700)
    assert.deepStrictEqual(snapshot(copy), before)
    assert.isFalse(existsSync(join(copy, "tooltrail.log")))
  })
})
