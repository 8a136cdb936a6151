import { execFileSync, spawnSync } from "node:child_process"
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { type Finished, hookPayload, lines, runProgram, temporaryFolder } from "./support/processes.ts"
import { totals } from "./support/store.ts"

const root = join(import.meta.dirname, "..")

/** As a person runs it: without what the npm around the tests sets. */
const npm = (cwd: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("npm", args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  })

const prefix = join(temporaryFolder(), "own prefix")
const installed = join(prefix, "lib", "node_modules", "tooltrail")
const driver = join(installed, "node_modules", "better-sqlite3")
const compiled = join(driver, "build", "Release", "better_sqlite3.node")
const program = (name: string) => realpathSync(join(prefix, "bin", name))
let packed: ReadonlyArray<{ readonly path: string; readonly mode: number }> = []

/** Leaves what the command that the messages name leaves. To compile takes a minute. */
const build = () => {
  mkdirSync(join(driver, "build", "Release"), { recursive: true })
  copyFileSync(join(root, "node_modules", "better-sqlite3", "build", "Release", "better_sqlite3.node"), compiled)
}

const exported = join(temporaryFolder(), "x.jsonl")
writeFileSync(exported, '{"tooltrail":"events","version":2,"exported_at":"2026-01-01 00:00:00","since":null}\n')

const freshHome = () => join(temporaryFolder(), "home")

interface Handler {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** What a settings file registers for an event. */
const registered = (user: string, event: string): Handler =>
  JSON.parse(readFileSync(join(user, ".claude", "settings.json"), "utf8")).hooks[event][0].hooks[0]

/** Runs a handler as an agent does that has nothing in its environment. */
const runHandler = ({ command, args }: Handler, user: string, input: string) =>
  spawnSync("/usr/bin/env", ["-i", `HOME=${user}`, command, ...args], { input, encoding: "utf8", cwd: "/" })

/** With no more in the environment than is named. */
const run = (name: string, env: Record<string, string>, args: ReadonlyArray<string> = [], input = "", uid?: number) =>
  runProgram(program(name), { args, input, env: { PATH: "", ...env }, ...(uid === undefined ? {} : { uid }) })

const runHook = (home: string, id: string) => run("tooltrail-hook", { TOOLTRAIL_HOME: home }, [], hookPayload(id))
const runCli = (home: string, ...args: ReadonlyArray<string>) => run("tooltrail", { TOOLTRAIL_HOME: home }, args)

const top = async (home: string) => {
  const { code, stdout, stderr } = await runCli(home, "top", "--all-projects", "--json")
  assert.deepStrictEqual([code, stderr], [0, ""])
  return (JSON.parse(stdout) as ReadonlyArray<{ tool_name: string; usage_count: number }>).map(
    ({ tool_name, usage_count }) => [tool_name, usage_count],
  )
}

beforeAll(() => {
  const folder = temporaryFolder()
  const [pack] = JSON.parse(npm(root, "pack", "--ignore-scripts", "--json", "--pack-destination", folder))
  packed = pack.files
  npm(
    folder,
    "install",
    "--global",
    "--prefix",
    prefix,
    "--ignore-scripts",
    "--prefer-offline",
    join(folder, pack.filename),
  )
})

describe("the packed tarball", () => {
  it("holds the programs, the library, the plugin, the samples, the README and the licence", () => {
    const strays = packed
      .map(({ path }) => path)
      .filter(
        (path) =>
          !/^(package\.json|README\.md|LICENSE|samples\/[^/]+)$/.test(path) &&
          !/^(\.claude-plugin\/marketplace\.json|plugin\/(\.claude-plugin\/plugin\.json|hook\.cjs|hooks\/hooks\.json))$/.test(
            path,
          ) &&
          !/^dist\/(tooltrail|tooltrail-hook|cli-bundle|hook-bundle|on-demand\/\w+)\.cjs$/.test(path) &&
          path !== "dist/tooltrail-hook.sh" &&
          !/^dist\/lib\/[\w/]+\.(js|js\.map|d\.ts)$/.test(path),
      )
    assert.deepStrictEqual(strays, [])
    for (const { path } of packed.filter(({ path }) => path.startsWith("dist/lib/"))) {
      const source = path.replace("dist/lib", "src").replace(/\.(js|js\.map|d\.ts)$/, ".ts")
      assert.isTrue(existsSync(join(root, source)), `${path} is left from a module that is gone`)
    }
    const map = JSON.parse(readFileSync(join(installed, "dist", "lib", "index.js.map"), "utf8"))
    assert.deepStrictEqual(map.sourcesContent, [readFileSync(join(root, "src", "index.ts"), "utf8")])
    accessSync(join(installed, "dist", "tooltrail-hook.sh"), constants.X_OK)
    for (const name of ["tooltrail", "tooltrail-hook"]) {
      accessSync(join(prefix, "bin", name), constants.X_OK)
      assert.match(readFileSync(program(name), "utf8"), /^#!\/usr\/bin\/env node\n/)
    }
  })

  it("needs no more of npm than SQLite and the library's hash", () => {
    const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"))
    assert.hasAllKeys(dependencies, ["@noble/hashes", "better-sqlite3"])
  })
})

describe("installed without scripts, so that better-sqlite3 is not built", () => {
  const refuses = ({ code, stdout, stderr }: Finished) => {
    assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
    assert.include(stderr, "better-sqlite3 is installed, but not built")
    assert.include(stderr, `build it with \`npm run install --prefix ${JSON.stringify(driver)}\``)
  }

  it("the hook spools and exits 0, and after the build nothing is lost", async () => {
    const home = freshHome()
    for (const id of ["a", "b"]) {
      const { code, stdout, stderr } = await runHook(home, id)
      assert.deepStrictEqual([code, stdout, lines(stderr).length], [0, "", 1])
      assert.match(stderr, /not built; build it with `npm run install --prefix .*`; the call is kept in the spool/)
      assert.include(readFileSync(join(home, "tooltrail.log"), "utf8"), "not built")
    }
    assert.isFalse(existsSync(join(home, "tooltrail.db")))
    refuses(await runCli(home, "top"))
    build()
    try {
      assert.deepStrictEqual(await top(home), [["Bash", 2]])
      await runHook(home, "a")
      await runHook(home, "c")
      assert.deepStrictEqual(await top(home), [["Bash", 3]])
    } finally {
      renameSync(compiled, `${compiled}.away`)
    }
    assert.strictEqual((await runHook(home, "d")).code, 0)
    refuses(await runCli(home, "top"))
    build()
    assert.deepStrictEqual(await top(home), [["Bash", 4]])
    renameSync(compiled, `${compiled}.away`)
  })

  it.each([
    ["top"],
    ["top", "--json"],
    ["restore", "x.db"],
    ["serve", "--port", "0"],
    ["export"],
    ["import", exported],
  ])("%s says what is missing and what mends it, in a line", async (...args) => {
    refuses(await runCli(freshHome(), ...args))
  })

  it("doctor names it among its checks, and its repair stores the waiting calls once it is built", async () => {
    const home = freshHome()
    await runHook(home, "a")
    const sick = await runCli(home, "doctor", "--repair", "--json")
    assert.strictEqual(sick.code, 1)
    const problems = JSON.parse(sick.stdout).checks.filter(({ status }: { status: string }) => status === "problem")
    assert.lengthOf(problems, 1)
    assert.include(problems[0].message, "npm run install --prefix")
    build()
    const mended = await runCli(home, "doctor", "--repair", "--json")
    assert.strictEqual(mended.code, 0)
    assert.include(mended.stdout, "stored 1 call from the spool")
    renameSync(compiled, `${compiled}.away`)
  })

  it("registers itself anyway and says so, and calls through the registered command wait for the build", async () => {
    const user = temporaryFolder()
    const installing = await run("tooltrail", { HOME: user }, ["install"])
    assert.deepStrictEqual([installing.code, lines(installing.stderr).length], [0, 1])
    assert.match(
      installing.stderr,
      /not built; build it with `npm run install .*`; until then, calls wait in the spool/,
    )
    const { status, stdout, stderr } = runHandler(registered(user, "PostToolUse"), user, hookPayload("a"))
    assert.deepStrictEqual([status, stdout, lines(stderr).length], [0, "", 1])
    const standing = await run("tooltrail", { HOME: user }, ["status"])
    assert.include(standing.stdout, "not built; build it with")
    build()
    const answer = await run("tooltrail", { HOME: user }, ["top", "--all-projects", "--json"])
    assert.deepInclude(JSON.parse(answer.stdout)[0], { tool_name: "Bash", usage_count: 1 })
    renameSync(compiled, `${compiled}.away`)
  })

  it("help and version work anyway", async () => {
    for (const option of ["--help", "--version"]) {
      const { code, stderr } = await runCli(freshHome(), option)
      assert.deepStrictEqual([code, stderr], [0, ""])
    }
  })

  it("says so as well if it was built for another Node, or if it is gone", async () => {
    mkdirSync(join(driver, "build", "Release"), { recursive: true })
    writeFileSync(compiled, "no library")
    const other = await runCli(freshHome(), "top")
    assert.deepStrictEqual([other.code, other.stdout, lines(other.stderr).length], [1, "", 1])
    assert.include(other.stderr, `not built for this Node, which is ${process.version}; build it with`)
    renameSync(driver, `${driver}.away`)
    const gone = await runCli(freshHome(), "top")
    renameSync(`${driver}.away`, driver)
    assert.deepStrictEqual([gone.code, gone.stdout, lines(gone.stderr).length], [1, "", 1])
    assert.include(gone.stderr, "better-sqlite3 is not installed; reinstall tooltrail")
  })
})

describe("installed and built", () => {
  beforeAll(build)

  it("registers itself, runs as registered, answers, and removes itself again", async () => {
    const user = temporaryFolder()
    const installing = await run("tooltrail", { HOME: user }, ["install"])
    assert.deepStrictEqual([installing.code, installing.stderr], [0, ""])
    for (const [event, id] of [
      ["PostToolUse", "a"],
      ["PostToolUseFailure", "b"],
    ] as const) {
      const input = hookPayload(id).replace("PostToolUse", event)
      const { status, stdout, stderr } = runHandler(registered(user, event), user, input)
      assert.deepStrictEqual([status, stdout, stderr], [0, "", ""])
    }
    const answer = await run("tooltrail", { HOME: user }, ["top", "--all-projects", "--json"])
    assert.deepInclude(JSON.parse(answer.stdout)[0], { tool_name: "Bash", usage_count: 2, failures: 1 })
    await run("tooltrail", { HOME: user }, ["uninstall"])
    assert.isFalse(existsSync(join(user, ".claude", "settings.json")))
  })

  it("records a call with nothing but the home in the environment, and answers", async () => {
    const home = freshHome()
    const { code, stdout, stderr } = await runHook(home, "a")
    assert.deepStrictEqual([code, stdout, stderr], [0, "", ""])
    assert.deepStrictEqual(await top(home), [["Bash", 1]])
    assert.lengthOf(readdirSync(join(installed, "dist", "code-cache")), 2)
  })

  it("works if the user cannot write to it, with the cache in the user's own folder", async () => {
    const outside = temporaryFolder()
    const home = join(outside, "home")
    mkdirSync(home)
    for (const folder of [outside, join(prefix, "..")]) chmodSync(folder, 0o755)
    const asRoot = process.getuid?.() === 0
    if (asRoot) chownSync(home, 65_534, 65_534)
    const cache = join(installed, "dist", "code-cache")
    if (existsSync(cache)) renameSync(cache, `${cache}.away`)
    const modeBefore = statSync(join(installed, "dist")).mode
    chmodSync(join(installed, "dist"), 0o555)
    try {
      for (const id of ["a", "b"]) {
        const input = hookPayload(id)
        const ended = await run("tooltrail-hook", { HOME: home }, [], input, asRoot ? 65_534 : undefined)
        assert.deepStrictEqual([ended.code, ended.stdout, ended.stderr], [0, "", ""])
      }
    } finally {
      chmodSync(join(installed, "dist"), modeBefore)
    }
    assert.isFalse(existsSync(cache))
    assert.lengthOf(readdirSync(join(home, ".cache", "tooltrail", "code-cache")), 1)
    assert.strictEqual(totals(join(home, ".local", "share", "tooltrail")).events, 2)
  })
})
