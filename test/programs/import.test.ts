import { execFileSync, spawn } from "node:child_process"
import { chmodSync, closeSync, cpSync, existsSync, mkdirSync, openSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import {
  cliProgram,
  type Ended,
  ending,
  hookPayload,
  lines,
  runCli,
  runHook,
  temporaryFolder,
} from "../support/processes.ts"
import { totals } from "../support/store.ts"
import { finishedCall, realTranscripts, writeLines } from "../support/transcripts.ts"

const newHome = () => join(temporaryFolder(), "home")

/** So many calls in so many transcripts. */
const writeHistory = (calls: number, files: number): string => {
  const folder = temporaryFolder()
  for (let file = 0; file < files; file++) {
    const ids = Array.from({ length: calls / files }, (_, n) => `toolu_${file}_${n}`)
    const fields = { sessionId: `s${file}`, cwd: "/nowhere", more: { padding: "x".repeat(1000) } }
    writeLines(
      join(folder, `s${file}.jsonl`),
      ids.flatMap((id) => finishedCall(id, fields)),
    )
  }
  return folder
}

/** Starts an import and gives it as a process. */
const startImport = (home: string, folder: string) => {
  const child = spawn(process.execPath, [cliProgram, "import", folder, "--json"], {
    env: { PATH: process.env.PATH ?? "", TOOLTRAIL_HOME: home },
  })
  return { child, ended: ending(child) }
}

/**
 * The number of calls that are committed in a database that another process is writing. What a process that was killed left
 * half done is undone by who opens the database to write.
 */
const committedCalls = (path: string, readonly = true): number => {
  if (!existsSync(path)) return 0
  const database = new Database(path, { readonly })
  try {
    return Number(database.prepare("SELECT count(*) FROM tool_usage_events").pluck().get())
  } catch {
    return 0
  } finally {
    database.close()
  }
}

/** Starts an import, and ends it by a signal once so many calls are stored, if it has not ended by itself. */
const importUntil = async (home: string, history: string, stored: number, signal: NodeJS.Signals) => {
  const { child, ended } = startImport(home, history)
  let isRunning = true
  void ended.finally(() => {
    isRunning = false
  })
  const database = join(home, "tooltrail.db")
  while (isRunning && committedCalls(database) < stored) await new Promise((resolve) => setTimeout(resolve, 5))
  child.kill(signal)
  return { ...(await ended), before: committedCalls(database, false) }
}

/** That an import says what it recorded, or that it was interrupted; a signal that comes before its code is there just ends it. */
const assertSaid = ({ code, signal, stdout, stderr }: Ended) => {
  if (signal !== null) return
  if (code === 0) return assert.property(JSON.parse(stdout), "recorded")
  assert.deepStrictEqual([code, stdout], [130, ""])
  assert.deepStrictEqual(lines(stderr), ["tooltrail: interrupted; the next import continues from here"])
}

describe("tooltrail import", () => {
  it("makes the store of a new user from what Claude Code keeps", async () => {
    const home = newHome()
    const config = temporaryFolder()
    cpSync(realTranscripts, join(config, "projects"), { recursive: true })
    const { code, stdout, stderr } = await runCli(home, ["import"], { env: { CLAUDE_CONFIG_DIR: config } })
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.match(
      stdout,
      /^Recorded 37 calls from 2 transcripts in \d+\.\d s \(0 known already, 0 without a result\)\.\n$/,
    )
    assert.deepStrictEqual(totals(home), { events: 37, successes: 35, aggregate: 37 })
    assert.strictEqual(statSync(join(home, "tooltrail.db")).mode & 0o777, 0o600)
    const again = await runCli(home, ["import"], { env: { HOME: "/nowhere", CLAUDE_CONFIG_DIR: config } })
    assert.match(again.stdout, /^Recorded 0 calls from 2 transcripts in .* \(2 of them read before, 0 known already, /)
  })

  it("sums up in JSON with exactly these keys", async () => {
    const { stdout, stderr } = await runCli(newHome(), ["import", realTranscripts, "--json"])
    assert.strictEqual(stderr, "")
    const { seconds, ...counts } = JSON.parse(stdout) as Record<string, number>
    assert.isNumber(seconds)
    assert.deepStrictEqual(counts, {
      files: 2,
      lines: 97,
      calls_found: 37,
      recorded: 37,
      already_known: 0,
      pruned: 0,
      without_result: 0,
      broken_lines: 0,
    })
  })

  it("says in one line what is wrong with a path, and where it looked where there is none", async () => {
    const wrong = await runCli(newHome(), ["import", "/no/such/folder"])
    assert.deepStrictEqual([wrong.code, wrong.stdout], [1, ""])
    assert.deepStrictEqual(lines(wrong.stderr), ["tooltrail: there is no file or folder /no/such/folder"])
    const misspelt = await runCli(newHome(), ["import", "--jsno"])
    assert.deepStrictEqual([misspelt.code, lines(misspelt.stderr).length], [1, 1])
    const user = temporaryFolder()
    const none = await runCli(newHome(), ["import"], { env: { HOME: user } })
    assert.deepStrictEqual([none.code, none.stderr], [0, ""])
    assert.strictEqual(none.stdout, `No transcripts in ${join(user, ".claude", "projects")}.\n`)
  })

  it("says of a file that is no transcript what it takes, and imports the others", async () => {
    const folder = temporaryFolder()
    const notes = writeLines(join(folder, "notes.md"), ["# Notes", "", ...Array<string>(30).fill("- no JSON")])
    const unended = join(folder, "unended")
    writeFileSync(unended, "no JSON, no line end")
    const transcript = writeLines(join(folder, "s.jsonl"), ["broken", ...finishedCall("a")])
    const home = newHome()
    const refusal = (path: string) =>
      `tooltrail: ${path} is no transcript, since none of its lines is JSON; import takes a transcript of Claude Code, a folder with transcripts, or a file that \`tooltrail export\` wrote`

    const alone = await runCli(home, ["import", notes, "--json"])
    assert.deepStrictEqual([alone.code, alone.stdout, lines(alone.stderr)], [1, "", [refusal(notes)]])
    assert.isFalse(existsSync(home))

    const mixed = await runCli(home, ["import", notes, transcript, unended])
    assert.strictEqual(mixed.code, 1)
    assert.match(mixed.stdout, /^Recorded 1 call from 1 transcript in .* \(.*, 1 broken line\)\.\n$/)
    assert.sameMembers(
      [...lines(mixed.stderr)],
      [`tooltrail: ${transcript}:1 is not JSON and is left out`, refusal(notes), refusal(unended)],
    )

    writeFileSync(notes, "")
    const empty = await runCli(home, ["import", notes])
    assert.deepStrictEqual([empty.code, empty.stderr], [0, ""])
  })

  it("takes a file that standard input is, and says in one line that it takes no pipe", async () => {
    const fifo = join(temporaryFolder(), "fifo")
    execFileSync("mkfifo", [fifo])
    for (const path of [fifo, "/dev/stdin", "/dev/null"]) {
      const home = newHome()
      const { code, stdout, stderr } = await runCli(home, ["import", path], { input: "{}\n" })
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.strictEqual(
        stderr,
        `tooltrail: could not import ${path}: it is not a file or a folder; write what it gives to a file first\n`,
      )
      assert.isFalse(existsSync(home))
    }
    const transcript = openSync(writeLines(join(temporaryFolder(), "s.jsonl"), finishedCall("a")), "r")
    const stdout = execFileSync(process.execPath, [cliProgram, "import", "/dev/stdin"], {
      env: { PATH: process.env.PATH, TOOLTRAIL_HOME: newHome() },
      stdio: [transcript, "pipe", "pipe"],
      encoding: "utf8",
    })
    closeSync(transcript)
    assert.include(stdout, "Recorded 1 call from 1 transcript")
  })

  it("names broken lines and what it may not read, and records the rest", async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o755)
    const path = writeLines(join(folder, "a.jsonl"), ["{broken\u001b[31m", ...finishedCall("a")])
    chmodSync(writeLines(join(folder, "b.jsonl"), finishedCall("b")), 0o000)
    mkdirSync(join(folder, "closed"))
    chmodSync(join(folder, "closed"), 0o000)
    const home = temporaryFolder()
    chmodSync(home, 0o777)
    const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {}
    const { code, stdout, stderr } = await runCli(join(home, "own"), ["import", folder], nobody)
    assert.strictEqual(code, 0)
    assert.include(stdout, "Recorded 1 call from 2 transcripts")
    assert.include(stdout, "1 broken line, 2 unreadable")
    assert.sameMembers(
      [...lines(stderr)],
      [
        `tooltrail: could not read ${join(folder, "closed")}: EACCES: permission denied`,
        `tooltrail: could not read ${join(folder, "b.jsonl")}: EACCES: permission denied`,
        `tooltrail: ${path}:1 is not JSON and is left out`,
      ],
    )
  })

  it("names them on a terminal in the place of the progress, not behind it", () => {
    const folder = temporaryFolder()
    writeLines(join(folder, "a.jsonl"), ["{broken", ...finishedCall("a")])
    const onTerminal = (term: string) =>
      execFileSync("script", ["-qec", `${process.execPath} ${cliProgram} import ${folder}`, "/dev/null"], {
        encoding: "utf8",
        env: { PATH: process.env.PATH ?? "", TERM: term, TOOLTRAIL_HOME: newHome() },
      })
    const warning = `tooltrail: ${join(folder, "a.jsonl")}:1 is not JSON`
    assert.include(onTerminal("xterm"), `\r\u001b[K${warning}`)
    assert.notInclude(onTerminal("dumb"), `\u001b[K${warning}`)
  })

  // Where a signal meets the import is luck: each test holds wherever that is. `npm run soak` does it often.
  it.each(["SIGKILL", "SIGINT"] as const)(
    "goes on where it was ended by %s, and keeps what it has stored",
    async (end) => {
      const home = newHome()
      await runHook(home, hookPayload("hooked"))
      const all = 20_001
      const history = writeHistory(all - 1, 20)
      const { before, ...ended } = await importUntil(home, history, 1000, end)
      const { stdout } = await runCli(home, ["import", history, "--json"])
      assert.deepInclude(JSON.parse(stdout), { recorded: all - before })
      assert.deepStrictEqual(totals(home), { events: all, successes: all, aggregate: all })
      if (end === "SIGINT") assertSaid(ended)
    },
  )

  it("says what it did, or that it was interrupted, however late an interrupt comes", async () => {
    const history = writeHistory(5000, 10)
    for (const stored of [0, 1, 4999]) assertSaid(await importUntil(newHome(), history, stored, "SIGINT"))
  })

  it("leaves hooks their turn", async () => {
    const home = newHome()
    await runHook(home, hookPayload("first"))
    const { ended } = startImport(home, writeHistory(20_000, 20))
    let hooked = 1
    let isRunning = true
    const done = ended.finally(() => {
      isRunning = false
    })
    while (isRunning) {
      const { code, stdout } = await runHook(home, hookPayload(`hook_${hooked++}`))
      assert.deepStrictEqual([code, stdout], [0, ""])
    }
    assert.strictEqual((await done).code, 0)
    // On a slow machine some may wait in the spool.
    await runCli(home, ["top"])
    assert.strictEqual(totals(home).events, 20_000 + hooked)
  })
})
