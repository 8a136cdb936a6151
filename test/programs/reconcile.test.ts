import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { hookPayload, lines, runCli, runHook, startServer, temporaryFolder } from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"
import { finishedCall, realTranscripts, writeLines } from "../support/transcripts.ts"

interface Call {
  readonly id: string
  readonly tool: string
  readonly session: string
  readonly isError: boolean
  readonly at: string
}

/** What the transcripts say, read by loops over their entries. */
const callsOf = (folder: string): ReadonlyArray<Call> => {
  const calls: Array<Call> = []
  for (const name of readdirSync(folder).sort()) {
    const tools = new Map<string, string>()
    for (const line of lines(readFileSync(join(folder, name), "utf8"))) {
      const entry = JSON.parse(line)
      if (!Array.isArray(entry.message?.content)) continue
      for (const part of entry.message.content) {
        if (part.type === "tool_use") tools.set(part.id, part.name)
        if (part.type !== "tool_result") continue
        calls.push({
          id: part.tool_use_id,
          tool: tools.get(part.tool_use_id) ?? "",
          session: entry.sessionId,
          isError: part.is_error === true,
          at: entry.timestamp,
        })
      }
    }
  }
  return calls
}

const storedCalls = (home: string) =>
  readStore(home, (all) =>
    all("SELECT tool_use_id, tool_name, session_id, success, source, created_at FROM tool_usage_events ORDER BY 1"),
  )

/** A home, and a folder of Claude Code's with the real transcripts in it. */
const freshMachine = () => {
  const root = temporaryFolder()
  const claude = join(root, "claude")
  const project = join(claude, "projects", "-Users-chip-dev-ai-music")
  mkdirSync(join(claude, "projects"), { recursive: true })
  cpSync(join(realTranscripts, "-Users-chip-dev-ai-music"), project, { recursive: true })
  return { home: join(root, "home"), env: { CLAUDE_CONFIG_DIR: claude }, project }
}

const payloadOf = (call: Call) =>
  JSON.stringify({
    hook_event_name: call.isError ? "PostToolUseFailure" : "PostToolUse",
    session_id: call.session,
    cwd: "/Users/chip/dev/ai-music",
    tool_name: call.tool,
    tool_use_id: call.id,
  })

const until = async (isSo: () => boolean, what: string) => {
  for (const started = Date.now(); !isSo(); await new Promise((resolve) => setTimeout(resolve, 100))) {
    if (Date.now() - started > 100_000) throw new Error(`it did not come to be that ${what}`)
  }
}

const count = (home: string) => {
  try {
    return totals(home).events
  } catch {
    return 0
  }
}

const half = (calls: ReadonlyArray<Call>) => {
  let seed = 20_261_123
  return calls.filter(() => {
    seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32
    return seed < 2 ** 31
  })
}

describe("reconciling", () => {
  it("ends with exactly what the transcripts say if half of all hook calls were lost", async () => {
    const { home, env, project } = freshMachine()
    const calls = callsOf(project)
    const reported = half(calls)
    assert.lengthOf(calls, 37)
    assert.isTrue(reported.length > 10 && reported.length < 27)
    for (const call of reported) await runHook(home, payloadOf(call), { env })

    const before = await runCli(home, ["coverage", "--since", "20y", "--json"], { env })
    assert.deepInclude(JSON.parse(before.stdout), {
      calls: 37,
      as_they_happened: reported.length,
      reconciled: 0,
      missing: 37 - reported.length,
    })
    assert.strictEqual(totals(home).events, reported.length)

    const { stdout } = await runCli(home, ["reconcile", "--json"], { env })
    assert.deepInclude(JSON.parse(stdout), { recorded: 37 - reported.length, already_known: reported.length })
    const isReported = new Set(reported.map(({ id }) => id))
    assert.deepStrictEqual(
      storedCalls(home).map(({ created_at, ...call }) => ({
        ...call,
        // The hook had its own clock.
        created_at: call.source === "hook" ? null : created_at,
      })),
      [...calls]
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((call) => ({
          tool_use_id: call.id,
          tool_name: call.tool,
          session_id: call.session,
          success: call.isError ? 0 : 1,
          source: isReported.has(call.id) ? "hook" : "transcript",
          created_at: isReported.has(call.id) ? null : call.at.slice(0, 19).replace("T", " "),
        })),
    )
    assert.deepInclude(totals(home), { events: 37, aggregate: 37 })
    assert.strictEqual(statSync(join(home, "reconcile.lock")).mode & 0o777, 0o600)

    const again = await runCli(home, ["reconcile"], { env })
    assert.match(again.stdout, /^Recorded 0 calls/)
    const after = await runCli(home, ["coverage", "--since", "20y"], { env })
    assert.match(after.stdout, /^37 of 37 calls recorded in the last 20 years\n/)
    assert.include(after.stdout, `${reported.length} as they happened`)
    assert.match(after.stdout, new RegExp(`^${37 - reported.length} by reconciling: \\d+ \\w+`, "m"))
    assert.notInclude(after.stdout, "missing")
  })

  it.each(["SessionStart", "SessionEnd"])(
    "starts by itself at a %s, and the hook does not wait for it",
    async (name) => {
      const { home, env } = freshMachine()
      await runHook(home, hookPayload("first"), { env })
      // A hook that waits for the reconciling would wait for this lock too, and the reconciling would give up.
      const writer = new Database(join(home, "tooltrail.db"))
      writer.exec("BEGIN IMMEDIATE")
      const { code, stdout, stderr } = await runHook(home, JSON.stringify({ hook_event_name: name }), { env })
      assert.deepStrictEqual([code, stdout, stderr], [0, "", ""])
      assert.strictEqual(count(home), 1)
      writer.close()
      await until(() => count(home) === 38, "all calls are there")
    },
  )

  it("starts also when the server receives a session's beginning", async () => {
    const { home, env } = freshMachine()
    const server = await startServer(home, env)
    const response = await fetch(`http://127.0.0.1:${server.port}/hook`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.token}` },
      body: JSON.stringify({
        hook_event_name: "SessionStart",
        transcript_path: "/home/ana/.claude/projects/-p/s.jsonl",
      }),
    })
    assert.strictEqual(response.status, 200)
    await until(() => count(home) === 37, "all calls are there")
    assert.strictEqual((await server.end("SIGTERM")).code, 0)
  })

  it("is done by one process at a time", async () => {
    const { home, env } = freshMachine()
    await runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash" }), { env })
    const lock = new Database(join(home, "reconcile.lock"))
    lock.exec("BEGIN EXCLUSIVE")
    const refused = await runCli(home, ["reconcile"], { env })
    assert.deepStrictEqual([refused.code, refused.stdout, lines(refused.stderr).length], [1, "", 1])
    assert.include(refused.stderr, "another process reconciles just now")
    const background = await runCli(home, ["reconcile", "--background"], { env })
    assert.deepStrictEqual([background.code, background.stdout, background.stderr], [0, "", ""])
    assert.strictEqual(count(home), 1)
    lock.close()
    assert.strictEqual((await runCli(home, ["reconcile"], { env })).code, 0)
    assert.strictEqual(count(home), 38)
  })

  it("does not create a home that was removed before it begins", async () => {
    const { home, env } = freshMachine()
    const background = runCli(home, ["reconcile", "--background"], { env })
    await until(() => existsSync(join(home, "tooltrail.db-shm")), "the store is open")
    rmSync(home, { recursive: true })
    const { code, stdout, stderr } = await background
    assert.deepStrictEqual([code, stdout, stderr], [0, "", ""])
    assert.isFalse(existsSync(home))
  })

  it("names the tools of what is missing, and looks only into transcripts that changed", async () => {
    const { home, env, project } = freshMachine()
    await runCli(home, ["reconcile"], { env })
    const tools = { a: "mcp__x__y", b: "mcp__x__y", c: "Agent" }
    writeLines(
      join(project, "new.jsonl"),
      Object.entries(tools).flatMap(([id, name]) =>
        finishedCall(id, { name, cwd: "/somewhere", millis: Date.now() - 5000 }),
      ),
    )
    const { stdout } = await runCli(home, ["coverage"], { env })
    assert.match(stdout, /^0 of 3 calls recorded in the last 7 days\n/)
    assert.include(stdout, "3 missing: 2 mcp__x__y, 1 Agent\n")
    assert.include(stdout, "`tooltrail import` records what is missing.")
    const unused = await runCli(home, ["unused", "--since", "7d", "--all-projects", "--json"], { env })
    assert.deepInclude(JSON.parse(unused.stdout), { verdict: "not enough", reason: "coverage too low", coverage: 0 })
    const reconciled = JSON.parse((await runCli(home, ["reconcile", "--json"], { env })).stdout)
    assert.deepInclude(reconciled, { files: 3, lines: 6, recorded: 3, already_known: 0 })
    const known = await runCli(home, ["unused", "--since", "7d", "--all-projects", "--json"], { env })
    assert.deepInclude(JSON.parse(known.stdout), { verdict: "not enough", reason: "gap in the record", coverage: null })
  })

  describe("of a week with calls on each day", () => {
    const now = Date.now()
    const at = (days: number) => ({ millis: now - days * 86_400_000 - 60_000, cwd: "/somewhere" })
    const weekly = () => {
      const machine = freshMachine()
      const search = { name: "mcp__github__search" }
      writeLines(join(machine.project, "old.jsonl"), finishedCall("old", { ...at(40), ...search }))
      writeLines(
        join(machine.project, "week.jsonl"),
        Array.from({ length: 80 }, (_, n) => finishedCall(`read_${n}`, { ...at(n / 10), name: "Read" })).flat(),
      )
      const unused = async (...args: ReadonlyArray<string>) => {
        const { stdout } = await runCli(machine.home, ["unused", "--since", "7d", ...args, "--json"], {
          env: machine.env,
        })
        return JSON.parse(stdout)
      }
      const namesOf = ({ unused }: { unused: ReadonlyArray<{ name: string }> }) => unused.map(({ name }) => name)
      return { ...machine, search, unused, namesOf }
    }

    it("never calls a tool unused if a transcript shows a call that is not recorded yet", async () => {
      const { home, env, project, search, unused, namesOf } = weekly()
      await runCli(home, ["reconcile"], { env })
      const before = await unused("--all-projects")
      assert.deepInclude(before, { verdict: "enough", coverage: 1 })
      assert.include(namesOf(before), "github")
      writeLines(join(project, "missing.jsonl"), finishedCall("missing", { ...at(0), ...search }))
      const after = await unused("--all-projects")
      assert.deepInclude(after, { verdict: "enough", coverage: 70 / 71 })
      assert.notInclude(namesOf(after), "github")
      const { stdout } = await runCli(home, ["tool", search.name, "--all-projects"], { env })
      assert.match(
        stdout,
        /^No calls to mcp__github__search in the last 7 days in any project\.\nRecording since .*; 98\.5% of the 71 calls found in transcripts since .* are recorded\.\nTranscripts show 1 call to it that is not recorded; /,
      )
    })

    it("rests on the coverage of the project in question", async () => {
      const { home, env, project, unused } = weekly()
      writeLines(join(project, "b.jsonl"), finishedCall("b_old", { ...at(40), cwd: "/x/b" }))
      await runCli(home, ["reconcile"], { env })
      writeLines(join(project, "b-new.jsonl"), finishedCall("b", { ...at(0), cwd: "/x/b" }))
      assert.deepInclude(await unused("--project", "/x/b"), { reason: "coverage too low", coverage: 0 })
      assert.deepInclude(await unused("--project", "/somewhere"), { verdict: "enough", coverage: 1 })
    })

    it("rests on the calls of the project in question: if none is recorded, perhaps nothing was recording", async () => {
      const { home, env, project, unused } = weekly()
      const old = writeLines(
        join(project, "b.jsonl"),
        finishedCall("b_old", { ...at(70), sessionId: "b", cwd: "/x/b" }),
      )
      await runCli(home, ["reconcile"], { env })
      rmSync(old)
      assert.deepInclude(await unused("--project", "/x/b"), { reason: "nothing in the window", unused: null })
      assert.deepInclude(await unused("--all-projects"), { verdict: "enough" })
      const { stdout } = await runCli(home, ["unused", "--project", "/x/b"], { env })
      assert.match(
        stdout,
        /^Not enough evidence yet: no call was recorded in the last 30 days in the project \/x\/b; the last/,
      )
    })

    it("says when a tool without calls was called last, and what the evidence is", async () => {
      const { home, env, search } = weekly()
      await runCli(home, ["reconcile"], { env })
      const known = await runCli(home, ["tool", search.name, "--all-projects"], { env })
      assert.strictEqual(lines(known.stdout)[2], "It was last called 40 days ago; look further back with --since.")
      const elsewhere = await runCli(home, ["tool", search.name, "--project", temporaryFolder()], { env })
      assert.match(
        lines(elsewhere.stdout)[2] ?? "",
        /^It was last called 40 days ago, in another project; look everywh/,
      )
      const unknown = await runCli(home, ["tool", "Nothing", "--all-projects"], { env })
      assert.match(lines(unknown.stdout)[2] ?? "", /^`tooltrail tools --all-projects` lists/)
      const none = await runCli(home, ["top", "--by", "server", "--all-projects"], { env })
      assert.match(
        none.stdout,
        /^No calls with a server in the last 7 days in any project\.\nRecording since .*; all 70 calls found .*\nLook further back with --since 1y\. `tooltrail status`/,
      )
      const far = await runCli(home, ["top", "--by", "target", "--all-projects", "--since", "2y"], { env })
      assert.notInclude(far.stdout, "Look")
    })
  })

  it("replaces calls that the hook recorded without an id by those that their transcript shows", async () => {
    const { home, env, project } = freshMachine()
    await runCli(home, ["reconcile"], { env })
    const hooked = (session_id: string, tool_name: string) =>
      runHook(home, JSON.stringify({ hook_event_name: "PostToolUse", session_id, tool_name, cwd: "/somewhere" }), {
        env: { ...env, CLAUDECODE: "1" },
      })
    for (const [session, tool] of [
      ["s1", "Bash"],
      ["s1", "Bash"],
      ["s1", "Read"],
      ["s2", "Bash"],
    ] as const)
      await hooked(session, tool)
    changeStore(home, "UPDATE tool_usage_events SET created_at = datetime('now', '-1 minutes') WHERE session_id = 's1'")
    const shown = (id: string, name: string) =>
      finishedCall(id, { name, cwd: "/somewhere", millis: Date.now() - 30_000 })
    writeLines(join(project, "s1.jsonl"), [shown("a", "Bash"), shown("b", "Bash"), shown("c", "Edit")].flat())
    const { stdout } = await runCli(home, ["reconcile", "--json"], { env })
    assert.deepInclude(JSON.parse(stdout), { calls_found: 3, recorded: 3, already_known: 0 })
    const rows = readStore(home, (all) =>
      all(`
        SELECT session_id, tool_name, source, count(*) AS calls FROM tool_usage_events
        WHERE created_at > '2026' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`),
    )
    assert.deepStrictEqual(rows.map(Object.values), [
      ["s1", "Bash", "transcript", 2],
      ["s1", "Edit", "transcript", 1],
      ["s2", "Bash", "hook", 1],
    ])
    assert.deepInclude(totals(home), { events: 41, aggregate: 41 })
  })

  it("leaves pruned calls out of the coverage, and says so", async () => {
    const { home, env, project } = freshMachine()
    await runCli(home, ["reconcile"], { env })
    await runCli(home, ["prune", "--older-than", "30d"], { env })
    const { stdout } = await runCli(home, ["coverage", "--since", "20y"], { env })
    assert.match(
      stdout,
      /^No transcript shows a call in the last 20 years\.\nCalls from before .* are pruned, and so left out\./,
    )
    writeLines(join(project, "new.jsonl"), finishedCall("new", { millis: Date.now() - 60_000 }))
    const later = await runCli(home, ["coverage", "--since", "20y", "--json"], { env })
    assert.deepInclude(JSON.parse(later.stdout), { calls: 1, missing: 1 })
    assert.match(JSON.parse(later.stdout).pruned_before, /^\d{4}-\d\d-\d\d$/)
    const again = await runCli(home, ["import", "--json"], { env })
    assert.deepInclude(JSON.parse(again.stdout), { recorded: 1, pruned: 0 })
  })

  it("prints the count of each tool that it names, however long the names are", async () => {
    const { home, env, project } = freshMachine()
    await runCli(home, ["reconcile"], { env })
    const names = ["a", "b", "c"].map((server) => `mcp__${server}__get_pull_request_review_comments`)
    writeLines(
      join(project, "new.jsonl"),
      names.flatMap((name) => finishedCall(name, { name, cwd: "/somewhere", millis: Date.now() - 5000 })),
    )
    const { stdout } = await runCli(home, ["coverage"], { env })
    assert.deepEqual(lines(stdout).slice(2, 5), [`3 missing: 1 ${names[0]},`, `1 ${names[1]},`, `1 ${names[2]}`])
  })

  it("says so if there are no transcripts", async () => {
    const home = temporaryFolder()
    assert.match((await runCli(home, ["reconcile"])).stdout, /^No transcripts in .*projects\.\n$/)
    assert.match((await runCli(home, ["coverage"])).stdout, /^No transcript shows a call in the last 7 days\./)
  })
})
