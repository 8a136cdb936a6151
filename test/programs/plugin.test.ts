import { spawn } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import {
  type Ended,
  ending,
  hookPayload,
  hookProgram,
  lines,
  realPayloads,
  runCli,
  runProgram,
  temporaryFolder,
} from "../support/processes.ts"
import { readStore, totals } from "../support/store.ts"
import { finishedCall, writeLines } from "../support/transcripts.ts"

const root = join(import.meta.dirname, "..", "..")

const readJson = <A>(path: string) => JSON.parse(readFileSync(path, "utf8")) as A

interface Manifest {
  readonly name: string
  readonly version: string
  readonly files: ReadonlyArray<string>
}

interface Handler {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

interface Hooks {
  readonly hooks: Record<string, ReadonlyArray<{ readonly hooks: ReadonlyArray<Handler> }>>
}

/** The plugin as Claude Code installs it: copied, with nothing around it. */
const installPlugin = (): string => {
  const folder = join(realpathSync(temporaryFolder()), "plugin cache")
  cpSync(join(root, "plugin"), folder, { recursive: true })
  return folder
}

/** Starts a handler as it is spelt, under `env -i`, with a PATH that leads to Node alone unless told. */
const start = (handler: Handler, env: Record<string, string>, input: string): Promise<Ended> => {
  const withPaths = (text: string) => text.replace(/\$\{CLAUDE_PLUGIN_ROOT\}/g, env.CLAUDE_PLUGIN_ROOT ?? "")
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const child = spawn("/usr/bin/env", ["-i", ...variables, handler.command, ...handler.args.map(withPaths)], {
    cwd: "/",
  })
  child.stdin.end(input)
  return ending(child)
}

/** A folder with Node and nothing else. */
const nodeAlone = (): string => {
  const folder = temporaryFolder()
  symlinkSync(process.execPath, join(folder, "node"))
  return folder
}

const handlerOf = (folder: string, event = "PostToolUse"): Handler => {
  const [handler] = readJson<Hooks>(join(folder, "hooks", "hooks.json")).hooks[event]?.[0]?.hooks ?? []
  if (handler === undefined) throw new Error(`no handler for ${event}`)
  return handler
}

/** A call as some headless versions of Claude Code told of it. */
const callWithoutId = (event: string) =>
  JSON.stringify({ hook_event_name: event, session_id: "s", cwd: "/", tool_name: "Bash" })

/** What Claude Code gives a hook of the plugin in that folder, in a session that was started in `project`. */
const environmentOf = (folder: string, home: string, person: string, project = person) => ({
  CLAUDE_PLUGIN_ROOT: folder,
  CLAUDE_PROJECT_DIR: project,
  TOOLTRAIL_HOME: home,
  PATH: nodeAlone(),
  HOME: person,
})

const quiet = ({ code, stdout, stderr }: Ended) => assert.deepStrictEqual([code, stdout, stderr], [0, "", ""])

describe("the Claude Code plugin", () => {
  it("is listed in the marketplace file, is of this version, and is packed", () => {
    const { version, files } = readJson<Manifest>(join(root, "package.json"))
    const plugin = readJson<Manifest>(join(root, "plugin", ".claude-plugin", "plugin.json"))
    const marketplace = readJson<{ owner: { name: string }; plugins: ReadonlyArray<{ name: string; source: string }> }>(
      join(root, ".claude-plugin", "marketplace.json"),
    )
    assert.strictEqual(plugin.version, version)
    assert.deepStrictEqual(
      marketplace.plugins.map(({ name, source }) => [name, source]),
      [[plugin.name, "./plugin"]],
    )
    assert.includeMembers([...files], ["plugin", ".claude-plugin"])
    const hooks = readJson<Hooks>(join(root, "plugin", "hooks", "hooks.json"))
    assert.deepStrictEqual(Object.keys(hooks.hooks), [
      "PostToolUse",
      "PostToolUseFailure",
      "SessionStart",
      "SessionEnd",
    ])
  })

  it("runs the tooltrail that install remembers", async () => {
    const folder = installPlugin()
    const home = join(temporaryFolder(), "home")
    const person = temporaryFolder()
    await runCli(home, ["install"], { env: { HOME: person } })
    const env = { CLAUDE_PLUGIN_ROOT: folder, TOOLTRAIL_HOME: home, PATH: nodeAlone(), HOME: person }
    quiet(await start(handlerOf(folder), env, hookPayload("a")))
    quiet(await start(handlerOf(folder, "SessionEnd"), env, '{"hook_event_name":"SessionEnd"}'))
    assert.strictEqual(totals(home).events, 1)
    assert.isFalse(existsSync(join(home, "tooltrail.log")))
  })

  it("finds a tooltrail on the PATH, beside Node and in npm's prefix, in the home that tooltrail itself would use", async () => {
    const folder = installPlugin()
    const packed = (packages: string) => {
      mkdirSync(join(packages, "tooltrail"), { recursive: true })
      cpSync(dirname(hookProgram), join(packages, "tooltrail", "dist"), { recursive: true })
      symlinkSync(join(root, "node_modules"), join(packages, "tooltrail", "node_modules"))
      return join(packages, "tooltrail", "dist", "tooltrail-hook.cjs")
    }
    const linked = join(temporaryFolder(), "bin")
    mkdirSync(linked)
    symlinkSync(packed(join(temporaryFolder(), "anywhere")), join(linked, "tooltrail-hook"))
    const prefix = temporaryFolder()
    packed(join(prefix, "lib", "node_modules"))
    const asks: ReadonlyArray<(person: string) => string> = [
      () => linked,
      () => join(prefix, "bin"),
      (person) => {
        writeFileSync(join(person, ".npmrc"), `registry=https://example.com\nprefix=${prefix}\n`)
        return ""
      },
    ]
    for (const ask of asks) {
      const person = temporaryFolder()
      const PATH = `${nodeAlone()}:${ask(person)}`
      quiet(await start(handlerOf(folder), { CLAUDE_PLUGIN_ROOT: folder, PATH, HOME: person }, hookPayload("a")))
      assert.strictEqual(totals(join(person, ".local", "share", "tooltrail")).events, 1)
    }
  })

  it("says once in the log that there is none, reads its payload, and exits 0", async () => {
    const folder = installPlugin()
    const home = join(temporaryFolder(), "home")
    const env = { CLAUDE_PLUGIN_ROOT: folder, TOOLTRAIL_HOME: home, PATH: nodeAlone(), HOME: temporaryFolder() }
    const large = hookPayload("x".repeat(1_000_000))
    for (const ended of await Promise.all([1, 2, 3].map(() => start(handlerOf(folder), env, large)))) quiet(ended)
    quiet(await start(handlerOf(folder), env, hookPayload("a")))
    const log = lines(readFileSync(join(home, "tooltrail.log"), "utf8"))
    assert.lengthOf(log, 1)
    assert.match(log[0] ?? "", /^\d{4}-.* WARN the Claude Code plugin finds no installed tooltrail/)
    assert.deepStrictEqual(readdirSync(home).sort(), ["plugin-notice", "tooltrail.log"])
    rmSync(home, { recursive: true })
    writeFileSync(home, "no folder")
    quiet(await start(handlerOf(folder), env, hookPayload("a")))
  })

  it("does not look in the project, where a relative PATH leads", async () => {
    const folder = installPlugin()
    const project = temporaryFolder()
    writeFileSync(join(project, "tooltrail-hook.cjs"), 'require("node:fs").writeFileSync("ran", "")')
    symlinkSync("tooltrail-hook.cjs", join(project, "tooltrail-hook"))
    const home = join(temporaryFolder(), "home")
    const ended = await runProgram(join(folder, "hook.cjs"), {
      input: hookPayload("a"),
      cwd: project,
      env: { TOOLTRAIL_HOME: home, PATH: ".", HOME: project },
    })
    assert.strictEqual(ended.code, 0)
    assert.isFalse(existsSync(join(project, "ran")))
  })

  it("and a settings entry at the same time: every call counts once", async () => {
    const folder = installPlugin()
    const home = join(temporaryFolder(), "home")
    const person = temporaryFolder()
    await runCli(home, ["install"], { env: { HOME: person } })
    const settings = readJson<Hooks>(join(person, ".claude", "settings.json"))
    const [handler] = settings.hooks.PostToolUse?.[0]?.hooks ?? []
    const env = { CLAUDE_PLUGIN_ROOT: folder, TOOLTRAIL_HOME: home, PATH: nodeAlone(), HOME: person }
    const calls = [...realPayloads, ...["a", "b", "c"].map(hookPayload)]
    for (const call of calls) {
      const both = [handlerOf(folder), handler as Handler].map((each) => start(each, env, call))
      for (const ended of await Promise.all(both)) quiet(ended)
    }
    const { events, aggregate } = totals(home)
    assert.deepStrictEqual([events, aggregate], [8, 8])
  })

  it("and another hook at the same time: every call that has no id counts once as well, in any order", async () => {
    const folder = installPlugin()
    const [home, person] = [join(temporaryFolder(), "home"), temporaryFolder()]
    await runCli(home, ["install"], { env: { HOME: person } })
    const settings = readJson<Hooks>(join(person, ".claude", "settings.json"))
    // As where it comes by `claude --settings`, or is managed for the machine.
    rmSync(join(person, ".claude", "settings.json"))
    const env = environmentOf(folder, home, person)
    const byPlugin = (event: string) => start(handlerOf(folder, event), env, callWithoutId(event))
    const byEntry = (event: string) => start(settings.hooks[event]?.[0]?.hooks[0] as Handler, env, callWithoutId(event))
    const atOnce = (event: string) => Promise.all([byPlugin(event), byEntry(event)])
    const oneByOne = async (event: string) => [await byPlugin(event), await byEntry(event)]
    const allOfOne = async (event: string) => [
      ...(await Promise.all([byEntry(event), byEntry(event)])),
      ...(await Promise.all([byPlugin(event), byPlugin(event)])),
    ]
    let calls = 0
    for (const [tell, count] of [
      [atOnce, 1],
      [oneByOne, 1],
      [allOfOne, 2],
      [atOnce, 1],
    ] as const) {
      for (const event of ["PostToolUse", "PostToolUseFailure"]) {
        for (const ended of await tell(event)) quiet(ended)
        calls += count
        assert.deepStrictEqual([totals(home).events, totals(home).aggregate], [calls, calls])
      }
    }
    assert.strictEqual(totals(home).successes, calls / 2)
    quiet(await byPlugin("PostToolUse"))
    assert.strictEqual(totals(home).events, calls + 1)
    const sources = readStore(home, (all) =>
      all("SELECT source, count(*) AS calls FROM tool_usage_events GROUP BY 1 ORDER BY 1"),
    )
    assert.deepStrictEqual(sources, [
      { source: "hook+plugin", calls },
      { source: "plugin", calls: 1 },
    ])
  })

  it("and another hook at the same time: a call that has no id counts once, whatever of it waits in the spool or a transcript shows", async () => {
    const folder = installPlugin()
    const [home, person] = [join(temporaryFolder(), "home"), temporaryFolder()]
    await runCli(home, ["install"], { env: { HOME: person } })
    const entry = readJson<Hooks>(join(person, ".claude", "settings.json")).hooks.PostToolUse?.[0]?.hooks[0] as Handler
    const env = environmentOf(folder, home, person)
    quiet(await start(entry, env, hookPayload("a")))
    const whileLocked = async (handlers: ReadonlyArray<Handler>) => {
      const writer = new Database(join(home, "tooltrail.db"))
      writer.exec("BEGIN IMMEDIATE")
      await Promise.all(handlers.map((each) => start(each, env, callWithoutId("PostToolUse"))))
      writer.close()
    }
    const plugin = handlerOf(folder)
    await whileLocked([plugin, entry])
    await whileLocked([plugin])
    quiet(await start(entry, env, callWithoutId("PostToolUse")))
    await runCli(home, ["log"])
    assert.deepStrictEqual([totals(home).events, totals(home).aggregate], [3, 3])
    const millis = Date.now() - 1500
    writeLines(
      join(person, ".claude", "projects", "p", "s.jsonl"),
      ["b", "c", "d"].flatMap((id) => finishedCall(id, { sessionId: "s", millis })),
    )
    assert.strictEqual((await runCli(home, ["reconcile"], { env: { HOME: person } })).code, 0)
    assert.deepStrictEqual([totals(home).events, totals(home).aggregate], [4, 4])
    for (const each of [plugin, entry]) quiet(await start(each, env, callWithoutId("PostToolUse")))
    assert.deepStrictEqual([totals(home).events, totals(home).aggregate], [4, 4])
  })

  it("costs little more than the hook itself", async () => {
    const folder = installPlugin()
    const home = join(temporaryFolder(), "home")
    await runCli(home, ["install"], { env: { HOME: temporaryFolder() } })
    const env = { TOOLTRAIL_HOME: home }
    const time = async (program: string) =>
      Math.min(
        ...(await [1, 2, 3, 4, 5].reduce<Promise<ReadonlyArray<number>>>(async (before, run) => {
          const times = await before
          const { millis } = await runProgram(program, { input: hookPayload(`${program}${run}`), env })
          return [...times, millis]
        }, Promise.resolve([]))),
      )
    const [alone, throughPlugin] = [await time(hookProgram), await time(join(folder, "hook.cjs"))]
    assert.isBelow(throughPlugin, alone + 30)
  })
})
