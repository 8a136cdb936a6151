import { execFile, execFileSync } from "node:child_process"
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { cliProgram, lines, realPayloads, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { readStore } from "../support/store.ts"

const session = "8bbcceab-0b3e-4e24-98c9-ec146b1ca8c6"
const realProject = "/tmp/shp-hooks-base-dwqg6d95"

/** A folder whose project is none that anything was recorded in. */
const elsewhere = temporaryFolder()
const emptyFolder = temporaryFolder()
const home = join(temporaryFolder(), "home")

const ask = (args: ReadonlyArray<string>, cwd = elsewhere) => runCli(home, args, { cwd })

/** The one JSON value that a query prints. */
const askJson = async (args: ReadonlyArray<string>, cwd = elsewhere): Promise<unknown> => {
  const finished = await ask([...args, "--json"], cwd)
  assert.strictEqual(finished.code, 0, finished.stderr)
  assert.strictEqual(finished.stderr, "")
  return JSON.parse(finished.stdout)
}

const usage = (tool_name: string, usage_count: number, failures: number) => ({ tool_name, usage_count, failures })

/** What was counted of each key; the rest of a row is looked at in the tests of the reports. */
const countsOf = (rows: unknown, key = "tool_name") =>
  (rows as ReadonlyArray<Record<string, unknown>>).map(({ last_used, usage_count, failures, ...row }) => {
    assert.match(String(last_used), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
    return { [key]: row[key], usage_count, failures }
  })

beforeAll(async () => {
  for (const line of realPayloads) await runHook(home, line)
})

describe("the command line on what Claude Code really sent", () => {
  const all = [usage("Bash", 3, 1), usage("Read", 1, 1), usage("ToolSearch", 1, 0)]

  it("top: the most used tools", async () => {
    assert.deepStrictEqual(countsOf(await askJson(["top", "--all-projects"])), all)
    assert.deepStrictEqual(countsOf(await askJson(["top", "--project", realProject, "--since", "-30 days"])), all)
    assert.deepStrictEqual(countsOf(await askJson(["top", "--all-projects", "--limit", "1"])), all.slice(0, 1))
    assert.deepStrictEqual(await askJson(["top"]), [])
  })

  it("tool: one tool, or null", async () => {
    const [bash] = countsOf([await askJson(["tool", "Bash", "--all-projects"])])
    assert.deepStrictEqual(bash, all[0])
    assert.isNull(await askJson(["tool", "Bash"]))
    assert.isNull(await askJson(["tool", "never called", "--all-projects"]))
  })

  it("session: the one named, or the newest; unknown ones are empty", async () => {
    assert.deepStrictEqual(countsOf(await askJson(["session", session])), all)
    assert.deepStrictEqual(countsOf(await askJson(["session"])), all)
    assert.deepStrictEqual(await askJson(["session", "unknown"]), [])
  })

  it("tools: the rows of the registry", async () => {
    const rows = await askJson(["tools", "--project", realProject])
    readStore(home, (sql) => {
      assert.deepStrictEqual(
        rows,
        sql(`SELECT id, name, tool_type, scope, source, project_hash, description, server_name, usage_count, last_used_at,
          discovered_at, updated_at FROM tool_registry ORDER BY usage_count DESC, name`) as never,
      )
    })
    assert.deepStrictEqual(await askJson(["tools", "--all-projects"]), rows)
    assert.match((await ask(["tools"])).stdout, /\nBash .* 0 +shp-hooks-base-dwqg6d95\n/)
  })

  it("log: the events, newest first", async () => {
    const rows = (await askJson(["log", "--all-projects", "--limit", "3"])) as ReadonlyArray<unknown>
    readStore(home, (sql) => {
      assert.deepStrictEqual(rows, sql("SELECT * FROM tool_usage_events ORDER BY id DESC LIMIT 3") as never)
    })
  })

  it("shows people aligned tables with relative times, or absolute ones", async () => {
    const { stdout } = await ask(["top", "--all-projects"])
    assert.match(
      stdout,
      /\nTOOL {8}CALLS {2}SHARE.* {2}LAST USED\nBash {12}3 {2}.* {2}(now|\d+ (sec|min) ago)\nRead .*\nToolSearch .*\n$/,
    )
    assert.match(
      (await ask(["top", "--all-projects", "--utc"])).stdout,
      /\blast call \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\n/,
    )
    for (const command of ["session", "tools --all-projects", "log --all-projects", "tool Bash --all-projects"]) {
      const finished = await ask(command.split(" "))
      assert.strictEqual(finished.code, 0)
      assert.include(finished.stdout, "Bash")
    }
  })

  it("tells people what to try when the answer is empty", async () => {
    for (const args of [
      ["top"],
      ["tool", "nope"],
      ["session", "nope"],
      ["tools", "--project", emptyFolder],
      ["log"],
      ["top", "--by", "server"],
    ]) {
      const finished = await ask(args)
      assert.strictEqual(finished.code, 0)
      assert.strictEqual(finished.stderr, "")
      assert.isAtMost(lines(finished.stdout).length, 4)
      if (args[0] !== "tools") assert.match(finished.stdout, /^No call/)
    }
  })
})

describe("top --by", () => {
  it("tells targets and servers apart, under keys of their names", async () => {
    const home = join(temporaryFolder(), "home")
    const calls = [
      { tool_name: "Skill", tool_input: { skill: "pdf" } },
      { tool_name: "Skill", tool_input: { skill: "pdf" } },
      { tool_name: "Skill", tool_input: { skill: "xlsx" } },
      { tool_name: "Agent", tool_input: { subagent_type: "Explore" }, agent_type: "planner" },
      { tool_name: "mcp__github__search" },
      { tool_name: "mcp__github__read", mcp_server: { name: "github", source: "user" } },
      { tool_name: "mcp__plugin_a_b__c", mcp_server: { name: "b", source: "plugin:a" } },
      { tool_name: "Bash", hook_event_name: "PostToolUseFailure", error: "x", is_interrupt: true },
    ]
    for (const call of calls)
      await runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", cwd: elsewhere, ...call }))
    const by = async (dimension: string) =>
      countsOf(
        JSON.parse((await runCli(home, ["top", "--by", dimension, "--json"], { cwd: elsewhere })).stdout),
        dimension === "tool" ? "tool_name" : dimension,
      )
    assert.deepStrictEqual(await by("target"), [
      { target: "pdf", usage_count: 2, failures: 0 },
      { target: "Explore", usage_count: 1, failures: 0 },
      { target: "xlsx", usage_count: 1, failures: 0 },
    ])
    assert.deepStrictEqual(await by("server"), [
      { server: "github", usage_count: 2, failures: 0 },
      { server: "b", usage_count: 1, failures: 0 },
    ])
    assert.deepStrictEqual(await by("tool"), [
      usage("Skill", 3, 0),
      usage("Agent", 1, 0),
      usage("Bash", 1, 0),
      usage("mcp__github__read", 1, 0),
      usage("mcp__github__search", 1, 0),
      usage("mcp__plugin_a_b__c", 1, 0),
    ])
    const log = await runCli(home, ["log", "--json"], { cwd: elsewhere })
    const events = JSON.parse(log.stdout) as ReadonlyArray<Record<string, unknown>>
    assert.deepInclude(events[0], { tool_name: "Bash", success: 0, failure_kind: "interrupted" })
    assert.deepInclude(events[4], { tool_name: "Agent", target: "Explore", subagent: "planner" })
  })
})

describe("the project of the current folder", () => {
  it("is one for a checkout, its subfolders and linked worktrees, and another for a clone", async () => {
    const home = join(temporaryFolder(), "home")
    const folder = realpathSync(temporaryFolder())
    const git = (cwd: string, ...args: ReadonlyArray<string>) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], { cwd, stdio: "pipe" })
    const main = join(folder, "main")
    mkdirSync(join(main, "sub"), { recursive: true })
    git(main, "init", "-q")
    writeFileSync(join(main, "sub", "file"), "x")
    git(main, "add", ".")
    git(main, "commit", "-qm", "first")
    git(main, "worktree", "add", "-q", join(folder, "linked"))
    git(folder, "clone", "-q", "main", "clone")

    for (const cwd of [main, join(main, "sub"), join(folder, "linked"), join(folder, "clone")]) {
      await runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", cwd }))
    }
    const count = async (cwd: string) =>
      (JSON.parse((await runCli(home, ["tool", "Bash", "--json"], { cwd })).stdout) as { usage_count: number })
        .usage_count
    for (const cwd of [main, join(main, "sub"), join(folder, "linked", "sub")]) assert.strictEqual(await count(cwd), 3)
    assert.strictEqual(await count(join(folder, "clone")), 1)
  })
})

describe("a project by name", () => {
  const home = join(temporaryFolder(), "home")
  const folder = realpathSync(temporaryFolder())
  const gone = "/gone/web-shop"
  const roots = ["api", "a/tools", "b/tools"].map((name) => join(folder, name))

  beforeAll(async () => {
    for (const root of roots) mkdirSync(root, { recursive: true })
    for (const cwd of [...roots, gone]) {
      await runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", cwd }))
    }
    mkdirSync(join(folder, "checkout", ".git"), { recursive: true })
  })

  const askAbout = (project: string, command: ReadonlyArray<string> = ["tools", "--json"]) =>
    runCli(home, [...command, "--project", project], { cwd: join(folder, "checkout") })

  it("is found in any case, as is the path of one whose folder is gone", async () => {
    for (const name of ["api", "API", "Web-Shop", gone, roots[0] ?? "", "../api"]) {
      const { code, stdout, stderr } = await askAbout(name, ["log", "--json"])
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.lengthOf(JSON.parse(stdout) as ReadonlyArray<unknown>, 1, name)
    }
  })

  it("is refused in one line if it is unknown, with the nearest known ones, by every command", async () => {
    const exported = join(folder, "exported.jsonl")
    const refuses = async (command: string, given: string, nearest: string) => {
      const { code, stdout, stderr } = await askAbout(given, command.split(" "))
      assert.deepStrictEqual([code, stdout], [1, ""], command)
      assert.lengthOf(lines(stderr), 1)
      assert.include(stderr, `${given} is neither a folder nor a known project; the nearest are ${nearest}`)
    }
    for (const command of ["top", "tool Bash", "trend", "tools", "unused", "log", `export ${exported}`]) {
      await refuses(command, "apo", `api (${roots[0]})`)
    }
    await refuses("top", "/gone/webshop", `web-shop (${gone})`)
    assert.isFalse(existsSync(exported))
  })

  it("is refused with all their paths if several projects have it", async () => {
    const { code, stderr } = await askAbout("tools")
    assert.strictEqual(code, 1)
    assert.include(stderr, `2 projects are named tools; give the path of one: ${roots[1]}, ${roots[2]}`)
  })
})

describe("wrong usage", () => {
  it.each<[ReadonlyArray<string>, ReadonlyArray<string>]>([
    [
      ["top", "--since", "yesterday-ish"],
      ["yesterday-ish", "7d", "24h", "2w", "-7 days", "today"],
    ],
    [
      ["unused", "--since", "30"],
      ["30", "7d", "24h"],
    ],
    [
      ["top", "--limit", "0"],
      ["--limit must be a positive whole number", "0"],
    ],
    [
      ["top", "--limit", "many"],
      ["--limit must be a positive whole number", "many"],
    ],
    [
      ["top", "--by", "color"],
      ["color", "tool, target, server, type, agent, project, subagent, day"],
    ],
    [
      ["top", "--project", ".", "--all-projects"],
      ["--project", "--all-projects"],
    ],
    [["tool"], ["name"]],
    [["tool", "a", "b"], ["b"]],
    [["session", "--all-projects"], ["--all-projects"]],
    [["nonsense"], ["'top'", "'tool'", "'session'", "'tools'", "'log'", "'hook'"]],
    [["top", "--sinse", "7d"], ["--sinse"]],
    [["top", "--limit"], ["--limit needs a value"]],
    [["top", "--since", "--json"], ["--since needs a value"]],
    [["trend", "--by", "day", "--by", "week"], ["--by is given 2 times"]],
    [["--force", "export"], ["options come after the command"]],
    [["prune", "--older-than", "1h"], ["--older-than must be at least 1 day"]],
    [["top", "--limit", "1", "--limit=2"], ["--limit is given 2 times"]],
    [["top", "--project", ""], ["an argument is empty"]],
    [["top", "\u001b[31mred"], ["\\x1b[31mred"]],
  ])("%j is refused in one line", async (args, expected) => {
    const finished = await ask(args)
    assert.strictEqual(finished.code, 1)
    assert.strictEqual(finished.stdout, "")
    assert.lengthOf(lines(finished.stderr), 1, finished.stderr)
    for (const text of expected) assert.include(finished.stderr, text)
  })
})

describe("a current folder that is gone", () => {
  it.each([
    ["top", 1, "the current folder is gone; name a project with --project"],
    ["log --project shp-hooks-base-dwqg6d95", 0, ""],
  ])("%s ends with %d", async (command, code, message) => {
    const gone = temporaryFolder()
    const script = `cd ${gone} && rmdir ${gone}; "$NODE" ${cliProgram} ${command}`
    const run = promisify(execFile)("sh", ["-c", script], {
      env: { PATH: process.env.PATH ?? "", NODE: process.execPath, HOME: gone, TOOLTRAIL_HOME: home },
    })
    const ended = await run.then(
      ({ stderr }) => ({ code: 0, stderr }),
      (error: { readonly code: number; readonly stderr: string }) => ({ code: error.code, stderr: error.stderr }),
    )
    assert.strictEqual(ended.code, code, ended.stderr)
    assert.include(lines(ended.stderr).at(-1) ?? "", message)
  })
})

describe("a store that is not there, or not usable", () => {
  const nowhere = join(temporaryFolder(), "nowhere")

  it("is not created by a read, which says so and what to do", async () => {
    for (const command of ["top", "tool Bash", "session", "tools", "log"]) {
      const people = await runCli(nowhere, command.split(" "))
      assert.strictEqual(people.code, 0)
      assert.include(people.stdout, "nothing is recorded yet")
      assert.include(people.stdout, "tooltrail install")
    }
    for (const [command, answer] of [
      ["top", []],
      ["tool Bash", null],
    ] as const) {
      const programs = await runCli(nowhere, [...command.split(" "), "--json"])
      assert.strictEqual(programs.code, 0)
      assert.deepStrictEqual(JSON.parse(programs.stdout), answer)
      assert.include(programs.stderr, "nothing is recorded yet")
    }
    assert.isFalse(existsSync(nowhere))
  })

  it("that is no database is refused in one line", async () => {
    mkdirSync(nowhere)
    writeFileSync(join(nowhere, "tooltrail.db"), "no database".repeat(100))
    const finished = await runCli(nowhere, ["top", "--json"])
    assert.strictEqual(finished.code, 1)
    assert.strictEqual(finished.stdout, "")
    assert.lengthOf(lines(finished.stderr), 1)
    assert.include(finished.stderr, "not a database")
  })
})

describe("the rest of the command line", () => {
  it("hook: is the hook", async () => {
    const home = join(temporaryFolder(), "home")
    const finished = await runCli(home, ["hook"], { input: realPayloads[2] ?? "" })
    assert.deepStrictEqual([finished.code, finished.stdout, finished.stderr], [0, "", ""])
    assert.strictEqual(
      readStore(home, (sql) => sql("SELECT tool_name FROM tool_usage_events")[0]?.tool_name),
      "Bash",
    )
    const refused = await runCli(home, ["hook"], { input: "no JSON" })
    assert.deepStrictEqual([refused.code, refused.stdout, lines(refused.stderr).length], [0, "", 1])
  })

  it("help: every command has an example, without colour off a terminal", async () => {
    for (const command of [
      "install",
      "status",
      "uninstall",
      "top",
      "tool",
      "session",
      "tools",
      "unused",
      "log",
      "doctor",
      "backup",
      "restore",
      "hook",
      "",
    ]) {
      const finished = await ask([...(command === "" ? [] : [command]), "--help"])
      assert.strictEqual(finished.code, 0)
      assert.match(finished.stdout, new RegExp(`Example: tooltrail ${command}`))
      assert.notInclude(finished.stdout, "\u001b")
    }
  })

  it("version and completions", async () => {
    assert.match((await ask(["--version"])).stdout, /^\d+\.\d+\.\d+\n/)
    for (const shell of ["bash", "zsh", "fish"]) {
      const finished = await ask(["--completions", shell])
      assert.strictEqual(finished.code, 0)
      assert.include(finished.stdout, "tooltrail")
    }
  })

  it("colours on a terminal only, and not under NO_COLOR", () => {
    const onTerminal = (environment: string) =>
      execFileSync(
        "script",
        ["-qec", `env ${environment} ${process.execPath} dist/tooltrail.cjs top --all-projects`, "/dev/null"],
        { encoding: "utf8", env: { PATH: process.env.PATH ?? "", TERM: "xterm", TOOLTRAIL_HOME: home } },
      )
    assert.include(onTerminal("A=b"), "\u001b[")
    assert.notInclude(onTerminal("NO_COLOR=1"), "\u001b[")
    assert.include(onTerminal("NO_COLOR="), "\u001b[")
  })
})
