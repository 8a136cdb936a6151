import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { hookCommand } from "../../src/layers/agents/hookCommand.ts"
import { parseJsonText } from "../../src/layers/agents/jsonText.ts"
import {
  cliProgram,
  type Finished,
  hookProgram,
  lines,
  type RunOptions,
  realPayloads,
  runCli,
  runProgram,
  startServer,
  temporaryFolder,
} from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"
import { finishedCall, realTranscripts, writeLines } from "../support/transcripts.ts"

const EVENTS = ["PostToolUse", "PostToolUseFailure", "SessionStart", "SessionEnd"] as const
const NOBODY = 65_534

/** The Node that is registered here. */
const registered = Effect.runSync(hookCommand(cliProgram))
const node = registered.args.at(-2) ?? registered.command

/** Folders that hold no `claude`. */
const PATH = "/usr/bin:/bin"

interface Handler {
  readonly type: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly timeout: number
  readonly async?: boolean
  readonly url?: string
  readonly headers?: { readonly Authorization: string }
}

interface Settings {
  readonly hooks: Record<string, ReadonlyArray<{ readonly matcher?: string; readonly hooks: ReadonlyArray<Handler> }>>
}

/** A person's machine: their home, where Claude Code keeps its folder, and tooltrail's own home. */
interface Person {
  readonly home: string
  readonly settings: string
  readonly tooltrail: string
  readonly run: (args: string, options?: RunOptions) => Promise<Finished>
  readonly read: () => Settings
}

const person = (content?: string | Buffer): Person => {
  const home = realpathSync(temporaryFolder())
  const settings = join(home, ".claude", "settings.json")
  const tooltrail = join(home, "data")
  if (content !== undefined) {
    mkdirSync(dirname(settings))
    writeFileSync(settings, content)
  }
  return {
    home,
    settings,
    tooltrail,
    run: (args, options = {}) =>
      runCli(tooltrail, args.split(" "), { cwd: home, ...options, env: { HOME: home, PATH, ...options.env } }),
    read: () =>
      Either.getOrThrow(parseJsonText(readFileSync(settings, "utf8").replace(/^\uFEFF/, ""))).value as Settings,
  }
}

/** Every path below a folder, with what a file holds or where a link leads. */
const snapshot = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name !== "data" && !name.startsWith("data/"))
      .map((name) => {
        const path = join(folder, name)
        const file = lstatSync(path)
        const content = file.isSymbolicLink()
          ? `-> ${readlinkSync(path)}`
          : file.isFile()
            ? readFileSync(path).toString("latin1")
            : ""
        return [name, `${(file.mode & 0o777).toString(8)} ${content}`]
      }),
  )

const succeeds = ({ code, stdout, stderr }: Finished): string => {
  assert.deepStrictEqual([code, stderr], [0, ""])
  return stdout
}

const ours = { hooks: [{ type: "command", command: node, args: [hookProgram], timeout: 10 }] }
const others = { hooks: [{ type: "command", command: "lint --fix" }] }
const bash = { matcher: "Bash", ...others }
const pretty = (value: unknown, indent: string | number = 2) => JSON.stringify(value, null, indent)
const old = (command: string, ...args: ReadonlyArray<string>) => ({
  hooks: [{ type: "command", command, ...(args.length > 0 ? { args } : {}) }],
})

const withOtherHooks = { hooks: { PostToolUse: [bash], Stop: [others], PreToolUse: [] }, model: "opus" }

/** What settings files look like; all but the first are there before. */
const settingsFiles: ReadonlyArray<[string, string | Buffer | undefined]> = [
  ["absent", undefined],
  ["empty", ""],
  ["with a byte order mark and CRLF", `\uFEFF${pretty(withOtherHooks).replaceAll("\n", "\r\n")}\r\n`],
  [
    "with comments",
    '// mine\n{\n  "model": "opus", // the best\n  /* none yet */\n  "hooks": {} // here\n  // the end\n}\n// bye\n',
  ],
  [
    "very large",
    `${pretty({ permissions: { allow: Array.from({ length: 8000 }, (_, n) => `Bash(run ${n} ${"x".repeat(60)})`) } })}\n`,
  ],
]

describe("settings files", () => {
  it.concurrent.each(settingsFiles)("%s: install, again, status, uninstall", async (_, content) => {
    const { home, settings, run, read } = person(content)
    const before = snapshot(home)

    const diff = succeeds(await run("install --dry-run"))
    assert.include(diff, "+++")
    assert.deepStrictEqual(snapshot(home), before, "a dry run writes nothing")
    assert.isFalse(existsSync(join(home, "data")))

    succeeds(await run("install"))
    for (const event of EVENTS) {
      assert.deepStrictEqual(read().hooks[event]?.at(-1), ours)
    }
    const installed = snapshot(home)
    assert.strictEqual(
      installed[".claude/settings.json.tooltrail-backup"],
      before[".claude/settings.json"],
      "what was there is kept beside it",
    )

    assert.include(succeeds(await run("install")), "nothing changed")
    assert.deepStrictEqual(snapshot(home), installed, "again changes nothing")

    const status = JSON.parse(succeeds(await run("status --json"))) as {
      agents: [{ installed: boolean; registrations: ReadonlyArray<Record<string, unknown>> }]
    }
    assert.isTrue(status.agents[0].installed)
    assert.deepInclude(status.agents[0].registrations[0] ?? {}, {
      scope: "user",
      path: settings,
      mode: "hook",
      async: false,
      events: EVENTS,
    })

    succeeds(await run("uninstall"))
    assert.deepStrictEqual(snapshot(home), before, "byte for byte as it was")
    assert.include(succeeds(await run("uninstall")), "nothing to remove")
  })

  it("a symlink is followed and stays, also one that leads nowhere yet", async () => {
    for (const content of [`${pretty({ model: "opus" })}\n`, undefined]) {
      const { home, settings, run, read } = person("")
      unlinkSync(settings)
      mkdirSync(join(home, "dotfiles"))
      const target = join(home, "dotfiles", "claude.json")
      if (content !== undefined) writeFileSync(target, content, { mode: 0o640 })
      symlinkSync("../dotfiles/claude.json", settings)
      const before = snapshot(home)
      succeeds(await run("install"))
      assert.strictEqual(readlinkSync(settings), "../dotfiles/claude.json")
      assert.lengthOf(Object.keys(read().hooks), EVENTS.length)
      if (content !== undefined) assert.strictEqual(statSync(target).mode & 0o777, 0o640)
      assert.deepStrictEqual(readdirSync(join(home, "dotfiles")), ["claude.json"])
      succeeds(await run("uninstall"))
      assert.deepStrictEqual(snapshot(home), before)
    }
  })

  it("one that cannot be read or written is not changed, and one line says why", async () => {
    const { home, settings, tooltrail, run } = person("{}")
    chmodSync(home, 0o755)
    mkdirSync(tooltrail, { mode: 0o777 })
    chmodSync(tooltrail, 0o777)
    for (const mode of [0o000, 0o444]) {
      chmodSync(settings, mode)
      chmodSync(dirname(settings), mode === 0o444 ? 0o777 : 0o755)
      const { code, stdout, stderr } = await run("install", { uid: NOBODY })
      assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
      assert.include(stderr, `${settings} was not changed: EACCES`)
      assert.strictEqual(readFileSync(settings, "utf8"), "{}")
      assert.deepStrictEqual(readdirSync(dirname(settings)), ["settings.json"])
    }
  })

  it.concurrent.each<[string, string | Buffer, string]>([
    ["unparsable", '{\n  "model": "opus",\n}\n', "it is not JSON: line 3, column 1: property name expected"],
    ["cut off", '{"hooks": {"Stop": [', "it is not JSON: line 1, column 21: "],
    ["a list", "[]", "it is not an object"],
    ["with hooks of another shape", '{"hooks": []}', 'its "hooks" is not an object'],
    ["with an event of another shape", '{"hooks": {"PostToolUse": {}}}', 'its "hooks.PostToolUse" is not a list'],
    ["with hooks twice", '{"hooks": {},\n"hooks": {}}', 'line 2, column 1: duplicate key "hooks"'],
    ["nested without end", `{"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "it is nested too deep"],
    ["not UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), "it is not UTF-8"],
  ])("one that is %s is not changed, and one line says why", async (_, content, expected) => {
    const { home, settings, run } = person(content)
    const before = snapshot(home)
    const { code, stderr } = await run("install")
    assert.deepStrictEqual([code, lines(stderr).length], [1, 1], stderr)
    assert.include(stderr, `${settings} was not changed: ${expected}`)
    assert.deepStrictEqual(snapshot(home), before)
  })

  it("one that is no JSON is said by a preview, an uninstall and the status too", async () => {
    const { home, settings, run } = person("{")
    const before = snapshot(home)
    for (const command of ["install --dry-run", "uninstall"]) {
      const { code, stderr } = await run(command)
      assert.deepStrictEqual([code, lines(stderr).length], [1, 1], stderr)
      assert.include(stderr, `${settings} was not changed: it is not JSON`)
    }
    assert.deepStrictEqual(snapshot(home), before)
    const status = await run("status")
    assert.strictEqual(status.code, 0)
    assert.include(status.stdout, "it is not JSON")
  })

  it("entries of an older tooltrail and duplicates are replaced; others and their comments stay", async () => {
    const { settings, run, read } = person()
    const text = `{
  "hooks": {
    // mine
    "PostToolUse": [
      ${JSON.stringify(bash)}, // lint
      ${JSON.stringify(old("/old/node", "/old/tooltrail-hook.cjs"))},
      ${JSON.stringify(old("/old/node", "/old/tooltrail-hook.cjs"))},
      ${JSON.stringify({ hooks: [...others.hooks, ...old("tooltrail hook").hooks] })}
    ],
    "PostToolUseFailure": [${JSON.stringify({ matcher: "Bash", ...old("node /old/tooltrail-hook.cjs") })}],
    "Stop": [${JSON.stringify(old("tooltrail-hook"))}]
  }
}`
    mkdirSync(dirname(settings))
    writeFileSync(settings, text)
    succeeds(await run("install"))
    const after = readFileSync(settings, "utf8")
    assert.include(after, "    // mine\n")
    assert.include(after, `${JSON.stringify(bash)}, // lint\n`)
    assert.deepStrictEqual<unknown>(read().hooks, {
      PostToolUse: [bash, ours, others],
      PostToolUseFailure: [ours],
      SessionStart: [ours],
      SessionEnd: [ours],
    })
    assert.include(succeeds(await run("install")), "nothing changed")

    const stdout = succeeds(await run("uninstall"))
    assert.include(stdout, `The backup is still in ${settings}.tooltrail-backup`)
    assert.strictEqual(readFileSync(`${settings}.tooltrail-backup`, "utf8"), text)
    assert.deepStrictEqual<unknown>(read(), { hooks: { PostToolUse: [bash, others] } })
  })

  it("an older backup is not overwritten", async () => {
    const { settings, run } = person(`${pretty({ model: "opus" })}\n`)
    writeFileSync(`${settings}.tooltrail-backup`, "precious")
    assert.include(succeeds(await run("install")), `${settings}.tooltrail-backup-2`)
    succeeds(await run("uninstall"))
    assert.deepStrictEqual(readdirSync(dirname(settings)).sort(), ["settings.json", "settings.json.tooltrail-backup"])
    assert.strictEqual(readFileSync(`${settings}.tooltrail-backup`, "utf8"), "precious")
  })
})

describe("the scopes", () => {
  it("are the user's, the project's and one's own in it; uninstall looks at all, from anywhere", async () => {
    const { home, run } = person()
    const project = join(home, "project")
    mkdirSync(join(project, ".git"), { recursive: true })
    mkdirSync(join(project, "sub"))
    const before = snapshot(home)
    const cwd = join(project, "sub")
    const options = { cwd, env: { CLAUDE_CONFIG_DIR: join(home, "elsewhere", "claude") } }
    const paths = {
      user: join(home, "elsewhere", "claude", "settings.json"),
      project: join(project, ".claude", "settings.json"),
      local: join(project, ".claude", "settings.local.json"),
    }
    for (const [scope, path] of Object.entries(paths)) {
      const { code, stdout, stderr } = await run(`install --scope ${scope} --json`, options)
      assert.strictEqual(code, 0)
      assert.deepInclude(JSON.parse(stdout), { scope, path, mode: "hook", changed: true, dry_run: false })
      assert.strictEqual(/contains paths of this machine; use --scope local/.test(stderr), scope === "project")
      assert.isTrue(existsSync(path))
    }
    assert.isFalse(existsSync(join(home, ".claude")))

    succeeds(await run("uninstall --scope local", options))
    assert.deepStrictEqual(Object.values(paths).map(existsSync), [true, true, false])
    await run("install --scope local", options)
    const { stdout } = await run("uninstall --json", { cwd: "/" })
    assert.sameMembers(
      (JSON.parse(stdout) as { settings: ReadonlyArray<{ path: string }> }).settings.map(({ path }) => path),
      Object.values(paths),
    )
    assert.deepStrictEqual(snapshot(home), before)
  })
})

/** Starts a hook as the settings file spells it, with nothing in its environment but where to record. */
const runRegistered = ({ tooltrail }: Person, { command, args }: Handler, input: string) =>
  execFileSync("env", ["-i", `TOOLTRAIL_HOME=${tooltrail}`, command, ...args], { input, encoding: "utf8", cwd: "/" })

describe("the registered command", () => {
  it("is this Node and this hook, by absolute paths", () => {
    assert.strictEqual(realpathSync(node), realpathSync(process.execPath))
    assert.strictEqual(registered.args.at(-1), hookProgram)
  })

  it("records what Claude Code sends, exactly as the settings spell it, under env -i", async () => {
    const someone = person()
    await someone.run("install")
    const [handler] = someone.read().hooks.PostToolUse?.[0]?.hooks ?? []
    assert.isDefined(handler)
    for (const payload of realPayloads) assert.strictEqual(runRegistered(someone, handler as Handler, payload), "")
    assert.strictEqual(totals(someone.tooltrail).events, 5)
    const status = JSON.parse(succeeds(await someone.run("status --json"))) as {
      agents: [{ calls_today: number; last_call: string }]
    }
    assert.strictEqual(status.agents[0].calls_today, 5)
    assert.match(status.agents[0].last_call, /^\d{4}-/)
    assert.match(succeeds(await someone.run("status")), /last call {2}.*ago|now\n {2}today {6}5 calls/)
  })

  it("starts Node 20 without NODE_EXTRA_CA_CERTS if that is set", async () => {
    const someone = person()
    const certificates = "/etc/ssl/certs/ca-certificates.crt"
    await someone.run("install", { env: { NODE_EXTRA_CA_CERTS: certificates } })
    const [handler] = someone.read().hooks.SessionEnd?.[0]?.hooks ?? []
    const isNode20 = process.versions.node.startsWith("20.")
    const start = [node, hookProgram]
    assert.deepStrictEqual(
      [handler?.command, ...(handler?.args ?? [])],
      isNode20 ? [join(dirname(hookProgram), "tooltrail-hook.sh"), ...start] : start,
    )
    runRegistered(someone, handler as Handler, realPayloads[2] ?? "")
    assert.strictEqual(totals(someone.tooltrail).events, 1)
    const doctor = await someone.run("doctor", { env: { NODE_EXTRA_CA_CERTS: certificates } })
    assert.notInclude(doctor.stdout, "NODE_EXTRA_CA_CERTS costs")
    const again = succeeds(await someone.run("install"))
    assert.include(again, isNode20 ? "Registered the hook in" : "nothing changed")
    assert.strictEqual(someone.read().hooks.SessionEnd?.[0]?.hooks[0]?.command, node)
    succeeds(await someone.run("uninstall"))
    assert.isFalse(existsSync(join(someone.home, ".claude")))
  })

  it("does no harm if the agent ignores its args", async () => {
    for (const env of [{}, { NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ca-certificates.crt" }]) {
      const someone = person()
      await someone.run("install", { env })
      const { command } = someone.read().hooks.PostToolUse?.[0]?.hooks[0] ?? { command: "" }
      const options = { input: realPayloads[2] ?? "", encoding: "utf8", env: { SECRET: "of the environment" } } as const
      const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", command], options)
      assert.strictEqual(stdout, "")
      assert.notInclude(stderr, "of the environment")
      // Node finds that the payload is no script, and runs nothing.
      if (status !== 0) assert.deepStrictEqual([command, /SyntaxError/.test(stderr)], [node, true])
    }
  })

  it("survives an update: it is named by the folder's link, not by what that leads to", async () => {
    const someone = person()
    const versions = join(someone.home, "versions")
    mkdirSync(join(versions, "bin"), { recursive: true })
    symlinkSync(dirname(cliProgram), join(versions, "current"))
    symlinkSync("../current/tooltrail.cjs", join(versions, "bin", "tooltrail"))
    await runProgram(join(versions, "bin", "tooltrail"), {
      args: ["install"],
      env: { HOME: someone.home, TOOLTRAIL_HOME: someone.tooltrail },
    })
    assert.deepStrictEqual(someone.read().hooks.PostToolUse?.[0]?.hooks[0]?.args, [
      join(versions, "current", "tooltrail-hook.cjs"),
    ])
  })

  it("is async only for those who choose it", async () => {
    const someone = person()
    await someone.run("install --async")
    assert.deepStrictEqual(
      EVENTS.map((event) => someone.read().hooks[event]?.[0]?.hooks[0]?.async),
      [true, true, true, true],
    )
    assert.include(succeeds(await someone.run("status")), "as an async command")
    succeeds(await someone.run("install"))
    assert.notProperty(someone.read().hooks.PostToolUse?.[0]?.hooks[0] ?? {}, "async")
  })

  it("is missed by the doctor if it is gone, incomplete or switched off; the doctor runs nothing that a project names", async () => {
    const someone = person()
    await someone.run("install")
    const text = readFileSync(someone.settings, "utf8")
    const doctor = async () => (await someone.run("doctor --json")).stdout
    assert.include(await doctor(), `in ${someone.settings}, as a command`)
    writeFileSync(someone.settings, text.replaceAll(node, "/gone/node"))
    assert.include(await doctor(), `${someone.settings} starts /gone/node, which does not exist`)
    writeFileSync(someone.settings, text.replace('"SessionEnd"', '"Other"'))
    assert.include(await doctor(), "lacks SessionEnd")
    writeFileSync(someone.settings, text.replace("{", '{"disableAllHooks": true,'))
    assert.include(await doctor(), "disableAllHooks")

    unlinkSync(someone.settings)
    const project = join(someone.home, "project")
    mkdirSync(join(project, ".claude"), { recursive: true })
    const trap = join(project, "tooltrail-hook.cjs")
    writeFileSync(trap, `require("fs").writeFileSync(${JSON.stringify(join(project, "ran"))}, "")`)
    writeFileSync(join(project, ".claude", "settings.json"), text.replaceAll(hookProgram, trap))
    await someone.run("doctor", { cwd: project })
    assert.isFalse(existsSync(join(project, "ran")))
  })
})

describe("install --mode http", () => {
  it("posts calls to the server, starts the hook for sessions, and never shows the token", async () => {
    const someone = person()
    const preview = await someone.run("install --mode http --dry-run")
    assert.include(preview.stdout, "Bearer …")
    assert.isFalse(existsSync(someone.tooltrail), "a dry run makes no token")
    const server = await startServer(someone.tooltrail)
    const installed = await someone.run(`install --mode http --port ${server.port}`)
    assert.strictEqual(installed.code, 0)
    assert.include(installed.stderr, "contains the server's token")
    assert.strictEqual(statSync(someone.settings).mode & 0o777, 0o600)
    const { hooks } = someone.read()
    const types = EVENTS.map((event) => hooks[event]?.[0]?.hooks[0]?.type)
    assert.deepStrictEqual(types, ["http", "http", "command", "command"])

    const { url, headers } = hooks.PostToolUse?.[0]?.hooks[0] ?? {}
    const response = await fetch(url ?? "", { method: "POST", headers: { ...headers }, body: realPayloads[2] ?? "" })
    assert.strictEqual(response.status, 200)
    assert.strictEqual(totals(someone.tooltrail).events, 1)
    assert.include((await someone.run("doctor")).stdout, `posting to ${url}`)
    await server.end("SIGTERM")
    const status = await someone.run("status")
    assert.strictEqual(status.code, 0)
    assert.include(status.stdout, "no server answers")
    for (const command of ["uninstall --dry-run", "status --json", "doctor"]) {
      const { stdout, stderr } = await someone.run(command)
      assert.notInclude(stdout + stderr, server.token)
    }
    succeeds(await someone.run("uninstall"))
    assert.isFalse(existsSync(someone.settings))
  })

  it("says if others can read the token, and if it is not the server's", async () => {
    const someone = person("{}")
    const { stderr } = await someone.run("install --mode http")
    assert.include(stderr, `others can read ${someone.settings}`)
    writeFileSync(join(someone.tooltrail, "serve.token"), "f".repeat(64))
    assert.include((await someone.run("status")).stdout, "a token that the server refuses")
    await someone.run("install --mode http")
    assert.strictEqual(someone.read().hooks.PostToolUse?.length, 1)
    succeeds(await someone.run("uninstall"))
    assert.strictEqual(readFileSync(someone.settings, "utf8"), "{}")
  })
})

describe("the version of Claude Code", () => {
  const withClaude = (script: string) => {
    const someone = person("{}")
    const folder = temporaryFolder()
    writeFileSync(join(folder, "claude"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return { ...someone, env: { PATH: `${folder}:${PATH}` } }
  }

  it.concurrent.each([
    ["2.1.138 (Claude Code)", ["install", "install --mode http", "install --dry-run"]],
    ["1.0.999", ["install"]],
    ["2.0.200", ["install"]],
  ] as const)("%s is refused: it ignores args", async (version, commands) => {
    const { settings, tooltrail, run, env } = withClaude(`echo "${version}"`)
    for (const command of commands) {
      const { code, stdout, stderr } = await run(command, { env })
      assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
      assert.match(stderr, /Claude Code [\d.]+ is too old: tooltrail needs 2\.1\.139 or later/)
    }
    assert.strictEqual(readFileSync(settings, "utf8"), "{}")
    assert.isFalse(existsSync(tooltrail))
  })

  it.concurrent.each([
    'echo "2.1.139 (Claude Code)"',
    "echo 2.2.0",
    "echo 10.0.0",
    "echo none",
    "exit 1",
    "exec sleep 600",
  ])("a claude that does `%s` is no obstacle", async (script) => {
    const { run, read, env } = withClaude(script)
    succeeds(await run("install", { env }))
    assert.lengthOf(Object.keys(read().hooks), EVENTS.length)
  })
})

describe("the history", () => {
  const withTranscripts = () => {
    const someone = person()
    cpSync(realTranscripts, join(someone.home, ".claude", "projects"), { recursive: true })
    return someone
  }

  it("is recorded by the install, once", async () => {
    const someone = withTranscripts()
    assert.match(succeeds(await someone.run("install")), /^Recorded 37 calls from 2 transcripts in .*$/m)
    assert.include(succeeds(await someone.run("top --all-projects --since 20y")), "37 calls")
    assert.notInclude(succeeds(await someone.run("install")), "Recorded")
    assert.match(succeeds(await someone.run("log --all-projects --limit 1")), / ~15900 ms /)
  })

  it("is left alone by a preview, and by those who do not want it", async () => {
    const someone = withTranscripts()
    succeeds(await someone.run("install --dry-run"))
    const { history } = JSON.parse(succeeds(await someone.run("install --no-history --json"))) as { history: unknown }
    assert.isNull(history)
    const calls = () => totals(someone.tooltrail).events
    assert.strictEqual(calls(), 0)
    succeeds(await someone.run("reconcile"))
    assert.strictEqual(calls(), 0)
    // What happens from then on is wanted, and all of it once an import asks for it.
    const project = join(someone.home, ".claude", "projects", "p")
    writeLines(join(project, "s.jsonl"), finishedCall("new", { millis: Date.now() + 2000 }))
    succeeds(await someone.run("reconcile"))
    assert.strictEqual(calls(), 1)
    assert.include(succeeds(await someone.run("coverage --since 20y")), "`tooltrail import` records what is missing.")
    assert.match(succeeds(await someone.run("import")), /^Recorded 37 calls /)
    assert.strictEqual(calls(), 38)
  })
})

describe("uninstall --purge", () => {
  it("leaves what is recorded unless asked, and then removes all of it and nothing else", async () => {
    const someone = person()
    await someone.run("install")
    const [handler] = someone.read().hooks.PostToolUse?.[0]?.hooks ?? []
    runRegistered(someone, handler as Handler, realPayloads[2] ?? "")
    await someone.run("backup")
    writeFileSync(join(someone.tooltrail, "diary.txt"), "mine")

    const refused = await someone.run("uninstall --purge")
    assert.deepStrictEqual([refused.code, lines(refused.stderr).length], [1, 1])
    assert.include(refused.stderr, "--yes")
    assert.isTrue(existsSync(someone.settings))
    assert.include((await someone.run("uninstall --purge --scope user")).stderr, "--purge does not go with --scope")

    assert.include(succeeds(await someone.run("uninstall --purge --dry-run")), join(someone.tooltrail, "tooltrail.db"))
    succeeds(await someone.run("uninstall"))
    assert.strictEqual(
      readStore(someone.tooltrail, (all) => all("SELECT id FROM tool_usage_events").length),
      1,
    )

    succeeds(await someone.run("uninstall --purge --yes"))
    assert.deepStrictEqual(readdirSync(someone.tooltrail), ["diary.txt"])
    unlinkSync(join(someone.tooltrail, "diary.txt"))
    await someone.run("install")
    const purged = JSON.parse(succeeds(await someone.run("uninstall --purge --yes --json"))) as {
      settings: ReadonlyArray<unknown>
      purged: ReadonlyArray<string>
    }
    assert.deepStrictEqual([purged.settings.length, purged.purged.length], [1, 1])
    assert.deepStrictEqual(readdirSync(someone.home), [])
  })

  it("asks on a terminal, and takes no for an answer", async () => {
    const someone = person()
    await someone.run("install")
    const answer = (key: string) =>
      execFileSync("script", ["-qec", `${process.execPath} ${cliProgram} uninstall --purge`, "/dev/null"], {
        cwd: someone.home,
        encoding: "utf8",
        input: key,
        env: { PATH: process.env.PATH ?? "", TERM: "xterm", HOME: someone.home, TOOLTRAIL_HOME: someone.tooltrail },
      })
    assert.include(answer("n"), "stays.")
    assert.isTrue(existsSync(someone.tooltrail))
    assert.include(answer("y"), "Removed all that was recorded")
    assert.isFalse(existsSync(someone.tooltrail))
  })

  it("waits for the server to be stopped", async () => {
    const someone = person()
    const server = await startServer(someone.tooltrail)
    const { code, stderr } = await someone.run("uninstall --purge --yes")
    assert.strictEqual(code, 1)
    assert.include(stderr, "`tooltrail serve` is running; stop it first")
    await server.end("SIGTERM")
    assert.isTrue(existsSync(join(someone.tooltrail, "serve.token")))
  })
})

describe("wrong usage", () => {
  it.concurrent.each([
    ["install --scope galaxy", "user, project, local"],
    ["install --agent emacs", "claude-code"],
    ["install --mode pigeon", "hook, http"],
    ["install --port 4717", "--port goes with --mode http only"],
    ["install --mode http --async", "--async goes with --mode hook only"],
    ["install --mode http --port 0", "must be a whole number from 1 to 65535"],
    ["install --scope", "--scope needs a value"],
  ])("%s is refused in one line", async (args, expected) => {
    const { home, run } = person()
    const { code, stdout, stderr } = await run(args)
    assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
    assert.include(stderr, expected)
    assert.deepStrictEqual(readdirSync(home), [])
  })
})

describe("status", () => {
  it("works where nothing is recorded and nothing is installed, and makes nothing", async () => {
    const { home, run } = person()
    const stdout = succeeds(await run("status"))
    assert.include(stdout, "nothing is recorded yet: there is no store at")
    assert.match(
      stdout,
      /found {6}no\n {2}installed {2}no; `tooltrail install` does it\n {2}last call {2}nothing recorded yet/,
    )
    const json = JSON.parse(succeeds(await run("status --json"))) as { agents: unknown; complaints: unknown }
    assert.deepStrictEqual(json.agents, [
      {
        agent: "claude-code",
        found: false,
        folder: null,
        installed: false,
        registrations: [],
        plugins: [],
        last_call: null,
        calls_today: null,
      },
    ])
    assert.deepStrictEqual(readdirSync(home), [])
  })

  it("sees the plugin, and a store that is no database", async () => {
    const { settings, tooltrail, run } = person(
      pretty({ enabledPlugins: { "tooltrail@tooltrail": true, "tooltrail@off": false, "other@x": true } }),
    )
    mkdirSync(tooltrail, { mode: 0o700 })
    writeFileSync(join(tooltrail, "tooltrail.db"), "no database".repeat(100), { mode: 0o600 })
    const status = JSON.parse((await run("status --json")).stdout) as {
      agents: [{ installed: boolean; plugins: unknown }]
      complaints: ReadonlyArray<{ status: string; message: string }>
    }
    assert.isTrue(status.agents[0].installed)
    assert.deepStrictEqual(status.agents[0].plugins, [{ scope: "user", path: settings, id: "tooltrail@tooltrail" }])
    assert.match(status.complaints.map(({ message }) => message).join("\n"), /not a database/)
  })

  it("goes through a store that is small, and says of a large one that the doctor does", async () => {
    const { tooltrail, run } = person()
    succeeds(await run(`import ${realTranscripts}`))
    const complaints = async (command: string) =>
      JSON.parse((await run(`${command} --json`)).stdout) as {
        checks: ReadonlyArray<{ name: string; status: string }>
        complaints: ReadonlyArray<{ name: string; status: string; message: string }>
        skipped: ReadonlyArray<{ name: string; status: string; message: string }>
      }
    changeStore(tooltrail, "UPDATE tool_registry SET usage_count = 1000")
    const small = (await complaints("status")).complaints
    assert.deepInclude(small.find(({ name }) => name === "counts") ?? {}, { status: "problem" })
    changeStore(tooltrail, "CREATE TABLE filler AS SELECT zeroblob(21000000) AS bytes")
    const { complaints: ofLarge, skipped } = await complaints("status")
    assert.isUndefined(ofLarge.find(({ name }) => name === "counts"))
    assert.deepStrictEqual(
      skipped.map(({ name }) => name),
      ["integrity", "counts", "sums"],
    )
    assert.match(
      (await run("status")).stdout,
      /skipped {2}sums {7}to read 2\d MB takes a while; `tooltrail doctor` does it/,
    )
    const { checks } = await complaints("doctor")
    assert.deepInclude(checks.find(({ name }) => name === "counts") ?? {}, { status: "problem" })
  })
})
