import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import type { Evidence } from "../../src/domain/Evidence.ts"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import type { Timestamp } from "../../src/domain/Timestamp.ts"
import { explainEvidence } from "../../src/programs/cli/render/evidence.ts"
import { projectNames } from "../../src/programs/cli/render/usage.ts"
import { cliProgram, realPayloads, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { changeStore, readStore } from "../support/store.ts"
import { projectA, projectB } from "../support/toolUses.ts"

type Row = Record<string, unknown>

const elsewhere = temporaryFolder()

const askJson = async (home: string, args: ReadonlyArray<string>): Promise<unknown> => {
  const finished = await runCli(home, [...args, "--json"], { cwd: elsewhere })
  assert.deepStrictEqual([finished.code, finished.stderr], [0, ""])
  return JSON.parse(finished.stdout)
}

const longName = "mcp__claude_ai_Google_Drive__search_files_and_folders"

/** Calls of many tools, sessions and days, written past all of tooltrail's code, in a store made by the hook. */
const fill = async (home: string) => {
  await runHook(home, realPayloads[2] ?? "")
  changeStore(
    home,
    `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
     INSERT INTO tool_usage_events (tool_name, session_id, project_hash, success, created_at, agent, duration_ms, subagent,
       target, server_name, failure_kind)
     SELECT CASE n % 4 WHEN 0 THEN 'Bash' WHEN 1 THEN '${longName}' WHEN 2 THEN 'tool_' || (n % 30) ELSE 'Skill' END,
       'session-' || (n / 150), (SELECT project_hash FROM projects), n % 20 > 0,
       datetime('now', '-' || (n * 20) || ' minutes'), iif(n % 3 = 0, 'codex', 'claude-code'),
       iif(n % 5 = 0, NULL, n * 37 % 90000), iif(n % 7 = 0, 'Explore', NULL), iif(n % 4 = 3, 'pdf', NULL),
       iif(n % 4 = 1, 'claude_ai_Google_Drive', NULL),
       CASE WHEN n % 20 > 0 THEN NULL WHEN n % 40 = 0 THEN 'interrupted' ELSE 'error' END
     FROM n;
     INSERT INTO tool_registry (name, tool_type, scope, source, project_hash, server_name, usage_count, last_used_at)
     SELECT tool_name, CASE WHEN tool_name LIKE 'mcp%' THEN 'mcp_tool' WHEN tool_name = 'Skill' THEN 'skill' ELSE 'unknown' END, iif(tool_name LIKE 'mcp%', 'project', 'global'),
       'events', project_hash, max(server_name), count(*), max(created_at)
     FROM tool_usage_events WHERE tool_name <> 'Bash' GROUP BY tool_name, project_hash;
     INSERT INTO tool_registry (name, tool_type, scope, source, project_hash, server_name, usage_count, last_used_at)
     SELECT 'mcp__old__' || value, 'mcp_tool', 'project', 'events', project_hash, 'old', 3, datetime('now', '-35 days')
     FROM projects, json_each('["a", "b"]')`,
  )
}

describe("the reports on what Claude Code really sent", () => {
  const home = join(temporaryFolder(), "home")
  const whole: ReadonlyArray<readonly [string, Row]> = [
    ["Bash", { usage_count: 3, failures: 1, interruptions: 0, sessions: 1, share: 0.6, median_ms: 14, p95_ms: 49 }],
    ["Read", { usage_count: 1, failures: 1, interruptions: 0, sessions: 1, share: 0.2, median_ms: 6, p95_ms: 6 }],
    ["ToolSearch", { usage_count: 1, failures: 0, interruptions: 0, sessions: 1, share: 0.2, median_ms: 2, p95_ms: 2 }],
  ]

  beforeAll(async () => {
    for (const payload of realPayloads) await runHook(home, payload)
  })

  it("top and session add to what they said before", async () => {
    for (const args of [["top", "--all-projects"], ["session"]]) {
      const rows = (await askJson(home, args)) as ReadonlyArray<Row>
      assert.lengthOf(rows, 3)
      for (const [place, [tool_name, figures]] of whole.entries()) {
        assert.deepInclude(rows[place], { tool_name, ...figures, previous_count: null })
        const { trend } = rows[place] as { trend: ReadonlyArray<Row> }
        assert.match(String(trend[0]?.from), args[0] === "top" ? / 00:00:00$/ : /:00$/)
      }
    }
    const [row] = (await askJson(home, ["session"])) as ReadonlyArray<Row & { projects: ReadonlyArray<Row> }>
    assert.match(`${row?.session_began} ${row?.session_ended}`, /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ?){2}$/)
    assert.strictEqual(row?.session_id, "8bbcceab-0b3e-4e24-98c9-ec146b1ca8c6")
    assert.deepInclude(row?.projects[0], { project: "shp-hooks-base-dwqg6d95", usage_count: 5 })
  })

  it("tool adds what came before and after, and in which projects", async () => {
    const bash = (await askJson(home, ["tool", "Bash", "--all-projects"])) as Row
    assert.deepInclude(bash, {
      tool_name: "Bash",
      days: 1,
      before: [
        { tool_name: null, usage_count: 1 },
        { tool_name: "Bash", usage_count: 1 },
        { tool_name: "ToolSearch", usage_count: 1 },
      ],
      after: [
        { tool_name: null, usage_count: 1 },
        { tool_name: "Bash", usage_count: 1 },
        { tool_name: "Read", usage_count: 1 },
      ],
      subagents: [{ subagent: "general-purpose", usage_count: 1 }],
      targets: [],
    })
    const people = await runCli(home, ["tool", "Bash", "--all-projects"], { cwd: elsewhere })
    for (const line of [
      /^Tool {7}Bash\nCalls {6}3 calls in the last 7 days, across all projects, 1 session,\s+1 failed,\s+no full record of the previous 7 days to compare with,\s+last call/,
      /\nBefore it {2}the session's start 1, Bash 1, ToolSearch 1\n/,
      /\nAfter it {3}the session's end 1, Bash 1, Read 1\n/,
      /\nProjects {3}shp-hooks-base-dwqg6d95 3\nSubagents {2}general-purpose 1\n/,
    ])
      assert.match(people.stdout, line)
  })

  it("session says when, in which project, what failed and in which order", async () => {
    const { stdout } = await runCli(home, ["session", "--utc"], { cwd: elsewhere })
    assert.match(
      stdout,
      /^Session {4}8bbcceab-.*\nProject {4}shp-hooks-base-dwqg6d95\nTime {7}\S+ \S+Z.*\nCalls {6}5 calls, 2 failed\n/,
    )
    assert.match(stdout, /\nOrder {6}Bash ×2 → Read → ToolSearch → Bash\n/)
  })

  it("unused says that there is not enough evidence yet, and why", async () => {
    const young = await runCli(home, ["unused", "--all-projects"], { cwd: elsewhere })
    assert.match(
      young.stdout,
      /^Not enough evidence yet: the first call in any project was\s+recorded .*, too late to cover the last 30 days\.\nAsk for a shorter/,
    )
    assert.deepInclude((await askJson(home, ["unused", "--all-projects"])) as Row, {
      verdict: "not enough",
      reason: "span too short",
      coverage: null,
      unused: null,
    })
    const nothing = await runCli(home, ["unused"], { cwd: elsewhere })
    assert.match(nothing.stdout, /^Not enough evidence yet: no call is recorded in the project .*\nLook everywhere/)
    const nowhere = join(temporaryFolder(), "nowhere")
    const noStore = await runCli(nowhere, ["unused", "--json"], { cwd: elsewhere })
    assert.deepInclude(JSON.parse(noStore.stdout), { verdict: "not enough", reason: "nothing recorded", unused: null })
  })

  it("the reference's examples of JSON have the keys that are printed", async () => {
    const reference = readFileSync(join(import.meta.dirname, "..", "..", "docs", "reference.md"), "utf8")
    const examples = [...reference.matchAll(/\$ tooltrail (.*--json)\n([\s\S]*?)```/g)]
    assert.isAtLeast(examples.length, 2)
    const keys = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.slice(0, 1).map(keys)
        : value !== null && typeof value === "object"
          ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, keys(inner)]))
          : "value"
    for (const [, command, printed] of examples) {
      const { stdout } = await runCli(home, [...(command ?? "").split(" "), "--all-projects"], { cwd: elsewhere })
      assert.deepStrictEqual(keys(JSON.parse(stdout)), keys(JSON.parse(printed ?? "")), command)
    }
  })
})

describe("the reports on many calls", () => {
  const home = join(temporaryFolder(), "home")
  const commands = [
    ["top", "--all-projects"],
    ...["tool", "server", "day"].map((by) => ["top", "--all-projects", "--since", "30d", "--by", by]),
    ["tool", longName, "--all-projects"],
    ["session", "session-3"],
    ["unused", "--all-projects", "--since", "20d"],
  ]

  beforeAll(() => fill(home))

  /** Runs it on a terminal of so many columns. */
  const onTerminal = (width: number, args: ReadonlyArray<string>) =>
    execFileSync(
      "script",
      ["-qec", `stty cols ${width}; ${[process.execPath, cliProgram, ...args].join(" ")}`, "/dev/null"],
      {
        encoding: "utf8",
        cwd: elsewhere,
        env: { PATH: process.env.PATH ?? "", TERM: "xterm", NO_COLOR: "1", TOOLTRAIL_HOME: home },
      },
    )

  it("fit on a terminal of 50 columns", () => {
    const further = [
      ["tools", "--all-projects"],
      ["log", "--all-projects"],
      ["log", "--all-projects", "--utc"],
      ["trend", "--all-projects", "--since", "30d", "--by", "day"],
      ["tool", "no-such-tool", "--all-projects"],
      ["top", "--since", "1h"],
    ]
    for (const args of [...commands, ...further]) {
      const printed = onTerminal(50, args).replaceAll("\r", "")
      for (const line of printed.split("\n")) assert.isAtMost([...line].length, 50, `${args}\n${printed}`)
    }
  })

  it("have few lines when they are piped, without colours, and cut no name", async () => {
    const all = await Promise.all(commands.map((args) => runCli(home, args, { cwd: elsewhere })))
    for (const { code, stdout, stderr } of all) {
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.notInclude(stdout, "\u001b")
      assert.isAtMost(stdout.split("\n").length, 26, stdout)
      // The order of a session is brief anywhere.
      if (!stdout.startsWith("Session")) assert.notInclude(stdout, "…")
    }
  })

  it("are drawn in ASCII if the terminal shows nothing else", async () => {
    const env = { TERM: "dumb" }
    for (const { stdout } of await Promise.all(commands.map((args) => runCli(home, args, { cwd: elsewhere, env })))) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the characters of ASCII
      assert.match(stdout, /^[\x00-\x7f]*$/)
    }
  })

  it("take the room that a wide terminal has", () => {
    const top = ["top", "--all-projects", "--since", "30d"]
    const narrow = onTerminal(80, top)
    assert.match(narrow, /\nmcp__\w+…\w+_folders +5/)
    assert.notInclude(narrow, "LAST USED")
    const wide = onTerminal(160, top)
    assert.include(wide, `${longName}    5`)
    assert.include(wide, "LAST USED")
    assert.include(wide, "██████████")
  })

  it("name the first day of a trend, whose days, weeks or months are whole", async () => {
    for (const unit of ["day", "week", "month"]) {
      const trend = ["trend", "--all-projects", "--since", "20d", "--by", unit]
      const points = (await askJson(home, trend)) as ReadonlyArray<Row>
      const calls = points.reduce((sum, { usage_count }) => sum + Number(usage_count), 0)
      const whole = readStore(home, (all) =>
        all(`SELECT count(*) AS calls FROM tool_usage_events WHERE created_at >= '${points[0]?.from}'`),
      )
      assert.deepStrictEqual(whole, [{ calls }])
      const { stdout } = await runCli(home, trend, { cwd: elsewhere })
      assert.strictEqual(stdout.split("\n")[0], `${calls} calls since ${points[0]?.from} (UTC) across all projects`)
    }
  })

  it("sum by every dimension, under keys of their names", async () => {
    const by = async (dimension: string) =>
      (await askJson(home, ["top", "--all-projects", "--since", "30d", "--by", dimension])) as ReadonlyArray<Row>
    const column = async (dimension: string, key: string) => (await by(dimension)).map((row) => row[key])
    assert.deepStrictEqual(await column("type", "type"), ["builtin", "mcp_tool", "skill", "unknown"])
    assert.deepStrictEqual(await column("agent", "agent"), ["claude-code", "codex"])
    assert.deepStrictEqual(await column("subagent", "subagent"), ["Explore"])
    assert.deepStrictEqual(await column("server", "server"), ["claude_ai_Google_Drive"])
    assert.deepStrictEqual(await column("project", "project"), ["shp-hooks-base-dwqg6d95"])
    for (const row of await by("day")) {
      assert.match(String(row.day), /^\d{4}-\d\d-\d\d$/)
      assert.isTrue((row.trend as ReadonlyArray<Row>).every((bin) => String(bin.from).startsWith(String(row.day))))
    }
    const project = await runCli(home, ["top", "--since", "30d", "--by", "project"], { cwd: "/tmp" })
    assert.match(project.stdout, /^No calls with a project/)
  })

  it("compare the window with the one before", async () => {
    const [before] = readStore(home, (all) =>
      all(`SELECT count(*) AS calls FROM tool_usage_events WHERE tool_name = 'Skill'
        AND created_at < datetime('now', '-10 days') AND created_at >= datetime('now', '-20 days')`),
    )
    const skill = (await askJson(home, ["tool", "Skill", "--all-projects", "--since", "10d"])) as Row
    assert.closeTo(Number(skill.previous_count), Number(before?.calls), 1)
    const { stdout } = await runCli(home, ["tool", "Skill", "--all-projects", "--since", "10d"], { cwd: elsewhere })
    assert.match(stdout, /(=|[▲▼] <?\d+%) against the previous 10 days/)
  })

  it("unused names a server without calls, and the evidence", async () => {
    const { stdout } = await runCli(home, ["unused", "--all-projects", "--since", "20d"], { cwd: elsewhere })
    assert.match(
      stdout,
      /^Not called in the last 20 days in any project:\n\nNOT CALLED {2}KIND {21}CALLS EVER {2}LAST USED\nold {9}MCP server with 2 tools {11}6 {2}35 days ago\n\nRecording since \d{4}-\d\d-\d\d; there are no transcripts to compare with\.\n$/,
    )
    const { unused, ...evidence } = (await askJson(home, ["unused", "--all-projects", "--since", "20d"])) as Row
    assert.deepInclude(evidence, { verdict: "enough", reason: null, coverage: null, coverage_needed: 0.95 })
    assert.deepInclude((unused as ReadonlyArray<Row>)[0], {
      name: "old",
      type: "mcp_server",
      tools: ["mcp__old__a", "mcp__old__b"],
      usage_count: 6,
    })
    const all = await runCli(home, ["unused", "--all-projects", "--since", "36d"], { cwd: elsewhere })
    assert.match(all.stdout, /^Every known tool was called in the last 36 days across all projects\.\nRecording since/)
  })

  it("never print a stored name to the terminal unescaped", async () => {
    const home = join(temporaryFolder(), "home")
    await runHook(home, realPayloads[2] ?? "")
    changeStore(
      home,
      `UPDATE tool_usage_events SET tool_name = 'a' || char(27) || '[31mb', session_id = 's' || char(10) || char(27),
         subagent = char(27) || 'c', target = char(27) || 'd', created_at = datetime(created_at, '-9 days');
       UPDATE tool_registry SET name = 'a' || char(27) || '[31mb', last_used_at = char(27) || 'x';
       UPDATE projects SET name = char(27) || 'e'`,
    )
    for (const args of [
      ["top", "--since", "30d"],
      ["top", "--since", "30d", "--by", "project"],
      ["tool", "a\u001b[31mb", "--since", "30d"],
      ["unused", "--since", "1d"],
      ["log"],
    ]) {
      const { stdout } = await runCli(home, [...args, "--all-projects"], { cwd: elsewhere })
      assert.include(stdout, "\\x1b")
      assert.notInclude(stdout, "\u001b")
    }
    const { stdout } = await runCli(home, ["session"], { cwd: elsewhere })
    assert.include(stdout, "s\\x0a\\x1b")
    assert.notInclude(stdout, "\u001b")
  })
})

describe("what a verdict rests on", () => {
  const observedFrom = "2026-08-16 12:00:00" as Timestamp
  const window = { amount: 30, unit: "days" } as const
  it.each<[Evidence, string]>([
    [
      { verdict: "enough", observedFrom, coverage: Option.none() },
      "Recording since 2026-08-16; there are no transcripts to compare with.",
    ],
    [
      { verdict: "enough", observedFrom, coverage: Option.some({ share: 0.9989, calls: 9990, from: observedFrom }) },
      "Recording since 2026-08-16; 99.8% of the 9990 calls found in transcripts since 2026-08-16 are recorded.",
    ],
    [
      { verdict: "enough", observedFrom, coverage: Option.some({ share: 1, calls: 605, from: observedFrom }) },
      "Recording since 2026-08-16; all 605 calls found in transcripts since 2026-08-16 are recorded.",
    ],
    [
      {
        verdict: "not enough",
        reason: "coverage too low",
        observedFrom,
        coverage: { share: 0.94999, calls: 9990, from: observedFrom },
      },
      "Not enough evidence yet: only 94.9% of the calls in the last 30 days are recorded; 95% is needed.",
    ],
    [
      { verdict: "not enough", reason: "span too short", observedFrom },
      "Not enough evidence yet: the first call here was recorded then, too late to cover the last 30 days.",
    ],
    [{ verdict: "not enough", reason: "nothing recorded" }, "Not enough evidence yet: no call is recorded here."],
    [
      {
        verdict: "not enough",
        reason: "gap in the record",
        observedFrom,
        gap: { from: "2026-10-25", until: "2026-11-02", days: 9 },
      },
      "Not enough evidence yet: no call was recorded from 2026-10-25 to 2026-11-02 (9 days), and no transcript covers that time.",
    ],
  ])("%j", (evidence, expected) => {
    const words = { window, scope: { selection: projectA.hash, where: "here", whereNone: "here" }, time: () => "then" }
    assert.strictEqual(explainEvidence(evidence, words)[0], expected)
  })

  it("points to other projects only if the question was about one", () => {
    for (const reason of ["nothing recorded", "span too short"] as const) {
      const hint = (selection: ProjectSelection) =>
        explainEvidence(
          { verdict: "not enough", reason, observedFrom },
          { window, scope: { selection, where: "here", whereNone: "here" }, time: () => "then" },
        )[1]
      assert.include(hint(projectA.hash), "--all-projects")
      assert.notInclude(hint(AllProjects), "--all-projects")
    }
  })
})

describe("the name of a project", () => {
  it("is its folder's, its path if two share that, its hash if nothing is known", () => {
    const named = (second: string) =>
      projectNames(
        new Map([
          [projectA.hash, projectA],
          [projectB.hash, { ...projectB, name: second }],
        ]),
      )
    assert.deepStrictEqual([projectA.hash, "unknown"].map(named("b")), ["a", "unknown"])
    assert.deepStrictEqual([projectA.hash, projectB.hash].map(named("a")), ["/projects/a", "/projects/b"])
  })
})
