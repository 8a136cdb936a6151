import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { hookPayload, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { changeStore, readStore } from "../support/store.ts"
import { finishedCall, realTranscripts, writeLines } from "../support/transcripts.ts"

const DAY = 86_400_000

describe("what is asked of a store with pruned calls", () => {
  const home = join(temporaryFolder(), "home")
  const emptied = join(temporaryFolder(), "home")
  let session = ""
  let first = ""
  let last = ""

  const ask = async (folder: string, ...args: ReadonlyArray<string>) => {
    const { code, stdout, stderr } = await runCli(folder, args)
    return { code, stdout, stderr, said: `${stdout}\n${stderr}`.replace(/\s+/g, " ") }
  }

  beforeAll(async () => {
    for (const folder of [home, emptied]) assert.strictEqual((await ask(folder, "import", realTranscripts)).code, 0)
    await runHook(home, hookPayload("young"))
    const [row] = readStore(home, (all) =>
      all("SELECT session_id, min(created_at) AS first FROM tool_usage_events WHERE tool_name <> 'Bash'"),
    )
    session = String(row?.session_id)
    first = readStore(emptied, (all) => String(all("SELECT min(created_at) AS at FROM tool_usage_events")[0]?.at))
    last = readStore(emptied, (all) => String(all("SELECT max(created_at) AS at FROM tool_usage_events")[0]?.at))
    for (const folder of [home, emptied]) {
      assert.strictEqual((await ask(folder, "prune", "--older-than", "30d")).code, 0)
    }
  })

  it("is when calls were recorded first: `unused` knows it by the sums of the pruned days", async () => {
    const { code, stdout } = await ask(home, "unused", "--all-projects", "--since", "30d", "--json")
    assert.strictEqual(code, 0)
    const { observed_from, reason } = JSON.parse(stdout)
    assert.notStrictEqual(reason, "span too short")
    assert.strictEqual(observed_from.slice(0, 10), first.slice(0, 10))
    assert.isAtLeast(Date.parse(observed_from), Date.parse(first))
  })

  it("is a session: of one that is not there it says that calls are pruned", async () => {
    for (const asked of [session, "nobody"]) {
      const { code, said } = await ask(home, "session", asked)
      assert.strictEqual(code, 0)
      assert.match(
        said,
        new RegExp(`^No calls of the session ${asked} are left\\. Calls before \\d{4}-\\d\\d-\\d\\d are pruned`),
      )
      assert.strictEqual((await ask(home, "session", asked, "--json")).stdout, "[]\n")
    }
    assert.match((await ask(emptied, "session")).said, /^No calls with a session are left\. Calls before .* are pruned/)
  })

  it("is the newest calls: `log` says where its list ends because of it, for programs on standard error", async () => {
    const note = /Calls before \d{4}-\d\d-\d\d are pruned/
    assert.match((await ask(home, "log", "--all-projects")).said, note)
    assert.notMatch((await ask(home, "log", "--all-projects", "--limit", "1")).said, note)
    assert.match((await ask(emptied, "log", "--all-projects")).said, /^No calls are left in any project\. Calls before/)
    const asJson = await ask(home, "log", "--all-projects", "--json")
    assert.lengthOf(JSON.parse(asJson.stdout), 1)
    assert.match(asJson.stderr, note)
  })

  it("is the last call: `status` knows when it was, and `doctor` does not say that there was none", async () => {
    const { stdout } = await ask(emptied, "status", "--json")
    assert.strictEqual(JSON.parse(stdout).agents[0].last_call, last)
    assert.match((await ask(emptied, "doctor")).stdout, new RegExp(`^ok +last call +\\w+, ${last} UTC`, "m"))
  })

  it("is what there is none of: it says what that rests on, and no hint leads to a question that fails", async () => {
    const soon = await ask(home, "top", "--all-projects", "--by", "subagent", "--since", "20d")
    const [, hint] = /further back with --since (\d+d)/.exec(soon.said) ?? []
    assert.strictEqual((await ask(home, "top", "--all-projects", "--since", hint ?? "none")).code, 0)
    const absent = await ask(home, "trend", "Nope", "--all-projects")
    assert.match(absent.said, /Calls are recorded since|Not enough evidence yet|Recording since/)
    const elsewhere = await ask(home, "log", "--project", temporaryFolder())
    assert.match(
      elsewhere.said,
      /^No calls in the project .* Not enough evidence yet: no call is recorded in .* Look everywhere/,
    )
    const tooShort = await ask(home, "prune", "--older-than", "1h", "--dry-run")
    assert.deepStrictEqual(
      [tooShort.code, tooShort.stdout, tooShort.stderr],
      [1, "", "tooltrail: --older-than must be at least 1 day (given: prune --older-than 1h --dry-run)\n"],
    )
  })

  it("is a tool: it does not tell to look where nothing can be seen", async () => {
    const { code, said } = await ask(home, "tool", "Read", "--all-projects", "--since", "7d")
    assert.strictEqual(code, 0)
    assert.match(
      said,
      /It was last called .*, but calls that old are pruned; `tooltrail trend Read --all-projects --since 20y` shows its calls by month/,
    )
    assert.notInclude(said, "look further back")
  })

  it("is an export: it says what is not in it, and of a window that is whole nothing", async () => {
    const file = join(temporaryFolder(), "calls.jsonl")
    const whole = await ask(home, "export", file)
    assert.match(
      whole.stderr,
      /calls before \d{4}-\d\d-\d\d are pruned, so the export has neither them nor their counts/,
    )
    assert.match((await ask(home, "export", "--since", "20y")).stderr, /are pruned/)
    for (const window of ["60d", "7d"]) assert.strictEqual((await ask(home, "export", "--since", window)).stderr, "")
  })
})

describe("a session of which some calls are pruned", () => {
  it("is shown with a note", async () => {
    const home = temporaryFolder()
    await runHook(home, hookPayload("young"))
    changeStore(
      home,
      `INSERT INTO tool_usage_events (tool_name, session_id, success, created_at) VALUES ('Bash', 's', 1, '2020-01-01 00:00:00')`,
    )
    const whole = await runCli(home, ["session", "s", "--json"])
    assert.isNull(JSON.parse(whole.stdout)[0].pruned_before)
    assert.strictEqual((await runCli(home, ["prune", "--older-than", "30d"])).code, 0)
    assert.match((await runCli(home, ["session", "s"])).stdout, /Its calls before \d{4}-\d\d-\d\d are pruned/)
    const cut = await runCli(home, ["session", "s", "--json"])
    assert.match(JSON.parse(cut.stdout)[0].pruned_before, /^\d{4}-\d\d-\d\d$/)
  })
})

describe("a project of which nothing is pruned, in a store where something is", () => {
  it("is listed and exported without a note", async () => {
    const [home, own] = [temporaryFolder(), temporaryFolder()]
    for (const [name, cwd, age] of [
      ["Read", temporaryFolder(), 100],
      ["Bash", own, 1],
    ] as const) {
      const calls = finishedCall(name, { name, cwd, sessionId: name, millis: Date.now() - age * DAY })
      await runCli(home, ["import", writeLines(join(temporaryFolder(), `${name}.jsonl`), calls)])
    }
    assert.strictEqual((await runCli(home, ["prune", "--older-than", "30d"])).code, 0)
    for (const question of [
      ["log", "--project", own],
      ["export", "--project", own],
      ["top", "--project", own, "--since", "1y"],
    ]) {
      const { code, stdout, stderr } = await runCli(home, question)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.include(stdout, "Bash")
      assert.notInclude(stdout, "pruned")
    }
    assert.include((await runCli(home, ["export"])).stderr, "are pruned")
  })
})
