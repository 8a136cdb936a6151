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
import { totals } from "../support/store.ts"

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

/** Starts a handler exactly as it is registered, with this environment only. */
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

/** The environment of a hook of the plugin in that folder, as Claude Code gives it. */
const environmentOf = (folder: string, person: string, home?: string) => ({
  CLAUDE_PLUGIN_ROOT: folder,
  CLAUDE_PROJECT_DIR: person,
  ...(home === undefined ? {} : { TOOLTRAIL_HOME: home }),
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
    const env = environmentOf(folder, person, home)
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
      quiet(await start(handlerOf(folder), { ...environmentOf(folder, person), PATH }, hookPayload("a")))
      assert.strictEqual(totals(join(person, ".local", "share", "tooltrail")).events, 1)
    }
  })

  it("says once in the log that no tooltrail is installed, reads its payload, and exits 0", async () => {
    const folder = installPlugin()
    const home = join(temporaryFolder(), "home")
    const env = environmentOf(folder, temporaryFolder(), home)
    const large = hookPayload("x".repeat(1_000_000))
    for (const ended of await Promise.all([1, 2, 3].map(() => start(handlerOf(folder), env, large)))) quiet(ended)
    quiet(await start(handlerOf(folder), env, hookPayload("a")))
    const log = lines(readFileSync(join(home, "tooltrail.log"), "utf8"))
    assert.lengthOf(log, 1)
    assert.match(log[0] ?? "", /^\d{4}-.* WARN the Claude Code plugin found no installed tooltrail/)
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

  it("counts every call once if the settings register the hook as well", async () => {
    const folder = installPlugin()
    const home = join(temporaryFolder(), "home")
    const person = temporaryFolder()
    await runCli(home, ["install"], { env: { HOME: person } })
    const settings = readJson<Hooks>(join(person, ".claude", "settings.json"))
    const [handler] = settings.hooks.PostToolUse?.[0]?.hooks ?? []
    const env = environmentOf(folder, person, home)
    const calls = [...realPayloads, ...["a", "b", "c"].map(hookPayload)]
    for (const call of calls) {
      const both = [handlerOf(folder), handler as Handler].map((each) => start(each, env, call))
      for (const ended of await Promise.all(both)) quiet(ended)
    }
    const { events, aggregate } = totals(home)
    assert.deepStrictEqual([events, aggregate], [8, 8])
  })
})
