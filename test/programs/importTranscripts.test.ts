import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TranscriptsLive } from "../../src/layers/agents/TranscriptsLive.ts"
import { holdHomeLock, isHomeLockHeld } from "../../src/layers/files/lock.ts"
import { ProjectResolverLive } from "../../src/layers/files/ProjectResolverLive.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { type ImportListener, importTranscripts } from "../../src/programs/history/importTranscripts.ts"
import { receiveFrom } from "../../src/programs/record/receiveHookEvent.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { Transcripts } from "../../src/services/Transcripts.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"
import { callLine, finishedCall, realTranscripts, resultLine, textLine, writeLines } from "../support/transcripts.ts"

const Surroundings = Layer.mergeAll(
  StoreMemory,
  Layer.provideMerge(TranscriptsLive, ProjectResolverLive),
  homeAt(temporaryFolder()),
)

const all = (statement: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement))

const events = all("SELECT * FROM tool_usage_events ORDER BY id")

/** Imports, and gathers what it says. */
const importing = (...paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const listener: ImportListener = {
      onProgress: () => Effect.void,
      onUnreadable: ({ message }) => Effect.sync(() => said.push(message)),
      onBrokenLine: (path, { line, reason }) => Effect.sync(() => said.push(`${path}:${line} ${reason}`)),
    }
    const { find } = yield* Transcripts
    const { summary } = yield* importTranscripts(yield* find(paths), listener)
    const { seconds, ...counts } = summary
    assert.isAtLeast(seconds, 0)
    assert.strictEqual(counts.calls_found, counts.recorded + counts.already_known + counts.without_result)
    return { ...counts, said }
  })

const redactedSessions = join(import.meta.dirname, "..", "fixtures", "redacted-claude-code-sessions")

interface Block {
  readonly type: string
  readonly id?: string
  readonly tool_use_id?: string
  readonly is_error?: boolean
}

/** The parts of all messages in a transcript. */
const blocksOf = (transcript: string): ReadonlyArray<Block> =>
  transcript
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => {
      const content: unknown = JSON.parse(line).message?.content
      return Array.isArray(content) ? content : []
    })

/** Payloads of the hook for the calls of the real transcripts. */
const hookPayloads = Effect.gen(function* () {
  yield* importing(realTranscripts)
  return (yield* events).map((event) =>
    JSON.stringify({
      hook_event_name: event.success === 1 ? "PostToolUse" : "PostToolUseFailure",
      session_id: event.session_id,
      cwd: "/Users/chip/dev/ai-music",
      tool_name: event.tool_name,
      tool_use_id: event.tool_use_id,
    }),
  )
}).pipe(Effect.provide(Surroundings))

const hooks = (payloads: ReadonlyArray<string>) =>
  Effect.forEach(payloads, (payload) =>
    Effect.flatMap(receiveFrom(payload, { CLAUDECODE: "1" }), (event) =>
      event._tag === "ToolUsed" ? recordToolUse(event.use) : Effect.dieMessage("the payload tells of no call"),
    ),
  )

describe("an import", () => {
  it.live("finds in the real transcripts 37 calls, 2 of them refused, and the second time nothing new", () =>
    Effect.gen(function* () {
      const first = yield* importing(realTranscripts)
      assert.deepStrictEqual(first, {
        files: 2,
        lines: 97,
        calls_found: 37,
        recorded: 37,
        already_known: 0,
        pruned: 0,
        without_result: 0,
        broken_lines: 0,
        said: [],
      })
      const rows = yield* events
      assert.lengthOf(rows, 37)
      assert.deepStrictEqual(
        rows.filter((row) => row.success === 0).map((row) => [row.tool_use_id, row.failure_kind]),
        [
          ["toolu_01DP7Ppp3tvYZZUrUVaNgBmo", "interrupted"],
          ["toolu_01TcrxTGdSCepJ68m2SBY8bo", "interrupted"],
        ],
      )
      assert.deepInclude(rows.at(-1), {
        tool_name: "Bash",
        session_id: "fed8ce56-bc79-401f-a83e-af084253362f",
        created_at: "2025-06-10 12:37:25",
        agent: "claude-code",
        duration_ms: 15_900,
        duration_is_estimated: 1,
        source: "transcript",
      })
      const again = yield* importing(realTranscripts)
      assert.deepInclude(again, { files: 2, lines: 0, recorded: 0 })
      const [registry] = yield* all("SELECT sum(usage_count) AS uses FROM tool_registry")
      assert.strictEqual(registry?.uses, 37)
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live(
    "finds in redacted sessions what the parser finds, also a result before its call, and calls that never ran",
    () =>
      Effect.gen(function* () {
        const parsed = readdirSync(redactedSessions, { recursive: true, encoding: "utf8" })
          .filter((name) => name.endsWith(".jsonl"))
          .map((name) => blocksOf(readFileSync(join(redactedSessions, name), "utf8")))
        const finished = parsed.flatMap((blocks) => {
          const asked = new Set(blocks.flatMap(({ type, id }) => (type === "tool_use" ? [id] : [])))
          return blocks.filter(({ type, tool_use_id }) => type === "tool_result" && asked.has(tool_use_id))
        })
        const failed = finished.filter(({ is_error }) => is_error)
        const { recorded, without_result, broken_lines } = yield* importing(redactedSessions)
        assert.deepStrictEqual([finished.length, failed.length], [81, 4])
        assert.deepStrictEqual([recorded, without_result, broken_lines], [81, 0, 0])
        const rows = yield* events
        assert.sameMembers(
          rows.map(({ tool_use_id }) => tool_use_id),
          finished.map(({ tool_use_id }) => tool_use_id),
        )
        assert.deepInclude(
          rows.find(({ tool_use_id }) => tool_use_id === "toolu_01QtydmiEKUQypkyc1QzDtX9"),
          { tool_name: "Read", session_id: "4a07cdcd-b417-4393-84b1-eb50b109af95", success: 1 },
        )
        assert.sameMembers(
          rows.filter(({ success }) => success === 0).map(({ failure_kind }) => failure_kind),
          ["error", "error", "cancelled", "cancelled"],
        )
      }).pipe(Effect.provide(Surroundings)),
  )

  it.live("leaves out lines that are dated more than a day ahead", () =>
    Effect.gen(function* () {
      const at = (hours: number) => ({ millis: Date.now() + hours * 3_600_000 })
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [
        ...finishedCall("soon", at(23)),
        ...finishedCall("later", at(25)),
        textLine("timeless", { more: { timestamp: "tomorrow" } }),
        callLine("a", at(0)),
        resultLine("a", at(25)),
      ])
      const { said, ...counts } = yield* importing(path)
      assert.deepInclude(counts, { lines: 7, recorded: 1, without_result: 1, broken_lines: 3 })
      assert.deepStrictEqual(
        said,
        [3, 4, 7].map((line) => `${path}:${line} dated more than a day ahead`),
      )
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("counts each call once where the hook recorded it before or after", () =>
    Effect.gen(function* () {
      const payloads = yield* hookPayloads
      assert.lengthOf(payloads, 37)
      yield* hooks(payloads.slice(0, 20))
      const { recorded, already_known } = yield* importing(realTranscripts)
      assert.deepStrictEqual({ recorded, already_known }, { recorded: 17, already_known: 20 })
      yield* hooks(payloads)
      assert.lengthOf(yield* events, 37)
      const [registry] = yield* all("SELECT sum(usage_count) AS uses FROM tool_registry")
      assert.strictEqual(registry?.uses, 37)
      const [hooked] = yield* all("SELECT count(*) AS calls FROM tool_usage_events WHERE source = 'hook'")
      assert.strictEqual(hooked?.calls, 20)
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("records a fork's copies once, for the session that made the calls", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      const calls = (sessionId: string) => ["a", "b"].flatMap((id) => finishedCall(id, { sessionId, cwd: "/p" }))
      // Of a later name, and older.
      const original = writeLines(join(folder, "z-original.jsonl"), calls("z-original"))
      utimesSync(original, 1000, 1000)
      writeLines(join(folder, "a-fork.jsonl"), [...calls("a-fork"), ...finishedCall("c", { sessionId: "a-fork" })])
      const { recorded, already_known } = yield* importing(folder)
      assert.deepStrictEqual({ recorded, already_known }, { recorded: 3, already_known: 2 })
      assert.deepStrictEqual(
        (yield* events).map((event) => [event.tool_use_id, event.session_id]),
        [
          ["a", "z-original"],
          ["b", "z-original"],
          ["c", "a-fork"],
        ],
      )
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("takes a session's project from its first entry with a folder, for its subagents as well", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      const start = join(folder, "checkout", "start")
      const elsewhere = join(folder, "elsewhere")
      mkdirSync(start, { recursive: true })
      mkdirSync(join(folder, "checkout", ".git"))
      const fields = { sessionId: "parent", cwd: elsewhere }
      writeLines(join(folder, "t", "parent.jsonl"), [
        JSON.stringify({ type: "summary", summary: "no session, no folder" }),
        textLine("hello", { sessionId: "parent", cwd: start }),
        ...finishedCall("main", fields),
      ])
      const subagents = join(folder, "t", "parent", "subagents")
      writeLines(join(subagents, "agent-1.jsonl"), finishedCall("noted", fields))
      writeFileSync(join(subagents, "agent-1.meta.json"), JSON.stringify({ agentType: "Explore", toolUseId: "x" }))
      writeLines(join(subagents, "workflows", "w1", "agent-2.jsonl"), [
        callLine("spoken", { ...fields, more: { attributionAgent: "reviewer" } }),
        resultLine("spoken", fields),
      ])
      writeLines(join(subagents, "agent-3.jsonl"), finishedCall("unnoted", fields))
      writeFileSync(join(subagents, "agent-3.meta.json"), "not JSON")
      yield* importing(join(folder, "t"))
      const rows = yield* all(`
        SELECT tool_use_id, session_id, subagent, projects.name FROM tool_usage_events JOIN projects USING (project_hash)`)
      assert.sameDeepMembers(rows as Array<unknown>, [
        { tool_use_id: "main", session_id: "parent", subagent: null, name: "checkout" },
        { tool_use_id: "noted", session_id: "parent", subagent: "Explore", name: "checkout" },
        { tool_use_id: "spoken", session_id: "parent", subagent: "reviewer", name: "checkout" },
        { tool_use_id: "unnoted", session_id: "parent", subagent: null, name: "checkout" },
      ])
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("lets no session's name lead out of the folder, and takes no relative folder for a project", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      writeLines(join(folder, "outside.jsonl"), [textLine("", { sessionId: "../outside", cwd: folder })])
      writeLines(join(folder, "t", "s.jsonl"), finishedCall("a", { sessionId: "../outside", cwd: "relative" }))
      yield* importing(join(folder, "t"))
      assert.deepInclude((yield* events)[0], { session_id: "../outside", project_hash: null })
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("goes on where it stopped, with the calls that were open", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [
        ...finishedCall("a", { cwd: "/start" }),
        callLine("b", { name: "mcp__github__search", millis: 1000, cwd: "/later" }),
        callLine("never"),
      ])
      const first = yield* importing(path)
      assert.deepInclude(first, { lines: 4, calls_found: 3, recorded: 1, without_result: 2 })
      appendFileSync(path, `${resultLine("b", { millis: 4500 })}\n${textLine("end")}\n`)
      const second = yield* importing(path)
      assert.deepInclude(second, { lines: 2, recorded: 1, already_known: 0, without_result: 1 })
      const [before, after] = yield* events
      assert.deepInclude(after, { tool_name: "mcp__github__search", duration_ms: 3500, server_name: "github" })
      assert.strictEqual(after?.project_hash, before?.project_hash)
      assert.deepInclude(yield* importing(path), { lines: 0, recorded: 0, without_result: 0 })
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("keeps a result for a call that is written after an import", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [
        resultLine("a", { millis: 2000, isError: true }),
        // More than one part of a file holds.
        ...Array.from({ length: 5 }, () => textLine("x".repeat(1_000_000))),
      ])
      assert.deepInclude(yield* importing(path), { recorded: 0, without_result: 0 })
      appendFileSync(path, `${callLine("a", { millis: 500, name: "Read" })}\n`)
      assert.deepInclude(yield* importing(path), { lines: 1, recorded: 1, without_result: 0 })
      assert.deepInclude((yield* events)[0], { tool_name: "Read", success: 0, duration_ms: 1500 })
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("waits for the end of a line that is cut off", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [callLine("a")])
      const result = resultLine("a", { content: "é".repeat(50) })
      for (const cut of [1, 40, Buffer.byteLength(result) - 20]) {
        const size = statSync(path).size
        appendFileSync(path, Buffer.from(result).subarray(0, cut))
        assert.deepInclude(yield* importing(path), { recorded: 0, broken_lines: 0 })
        truncateSync(path, size)
      }
      appendFileSync(path, `${result}\n`)
      assert.deepInclude(yield* importing(path), { lines: 1, recorded: 1, broken_lines: 0 })
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("takes a last line that is whole without its end, once", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [callLine("a")])
      appendFileSync(path, resultLine("a"))
      assert.deepInclude(yield* importing(path), { lines: 2, recorded: 1 })
      appendFileSync(path, `\nbroken\n${callLine("b")}\n`)
      const { said, ...second } = yield* importing(path)
      assert.deepInclude(second, { lines: 2, recorded: 0, without_result: 1, broken_lines: 1 })
      assert.deepStrictEqual(said, [`${path}:3 not JSON`])
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("names broken lines, and takes line ends, empty lines and unknown entries as they come", () =>
    Effect.gen(function* () {
      const [call, result] = finishedCall("a")
      const lines = [
        call,
        "",
        "not JSON",
        '{"type":"file-history-snapshot","snapshot":{"type":"tool_use","id":"no"}}',
        '{"type":"progress","data":{"message":{"type":"assistant","message":{"content":[{"type":"tool_use","id":"no","name":"Bash"}]}}}}',
        "null",
        `${call?.slice(0, 80)}${result}`,
        result,
      ]
      const path = join(temporaryFolder(), "s.jsonl")
      writeFileSync(path, lines.map((line) => `${line}\r\n`).join(""))
      const { said, ...counts } = yield* importing(path)
      assert.deepInclude(counts, { lines: 7, calls_found: 1, recorded: 1, broken_lines: 2 })
      assert.deepStrictEqual(said, [`${path}:3 not JSON`, `${path}:7 not JSON`])
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("reads lines of many megabytes, and more calls than one part of a file holds", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [
        callLine("large", { input: { content: 'x\\"'.repeat(2_000_000) } }),
        ...finishedCall("between"),
        resultLine("large", { content: 'y"type":"tool_use"'.repeat(500_000) }),
        ...Array.from({ length: 8000 }, (_, n) => finishedCall(`toolu_${n}`, { cwd: "/p".repeat(100) })).flat(),
      ])
      assert.isAbove(statSync(path).size, 20_000_000)
      const { recorded, lines } = yield* importing(path)
      assert.deepStrictEqual({ recorded, lines }, { recorded: 8002, lines: 16_004 })
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("reads a transcript up to a line of more than 64 MB, and says so", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), finishedCall("before"))
      appendFileSync(path, "{")
      appendFileSync(path, Buffer.alloc(64 * 1024 * 1024, " "))
      appendFileSync(path, `}\n${finishedCall("behind").join("\n")}\n`)
      const { said, ...counts } = yield* importing(path)
      assert.deepInclude(counts, { lines: 2, recorded: 1, broken_lines: 0 })
      assert.deepStrictEqual(said, [`could not read ${path}: the next line is longer than 64 MB`])
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("starts again where a transcript is not the one that it was", () =>
    Effect.gen(function* () {
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), [...finishedCall("a"), ...finishedCall("b")])
      yield* importing(path)
      writeLines(path, finishedCall("c"))
      assert.deepInclude(yield* importing(path), { lines: 2, recorded: 1 })
      writeLines(
        path,
        ["d", "e", "f"].flatMap((id) => finishedCall(id)),
      )
      assert.deepInclude(yield* importing(path), { lines: 6, recorded: 3 })
      appendFileSync(path, `${finishedCall("g").join("\n")}\n`)
      assert.deepInclude(yield* importing(path), { lines: 2, recorded: 1 })
      assert.lengthOf(yield* events, 7)
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("starts again where a transcript begins like the one that it replaced", () =>
    Effect.gen(function* () {
      const calls = (prefix: string, count: number) =>
        Array.from({ length: count }, (_, n) => finishedCall(`${prefix}${n}`)).flat()
      const path = writeLines(join(temporaryFolder(), "s.jsonl"), calls("a", 10))
      assert.deepInclude(yield* importing(path), { lines: 20, recorded: 10 })
      writeLines(path, [...calls("a", 5), ...calls("b", 12)])
      assert.deepInclude(yield* importing(path), { lines: 34, recorded: 12, already_known: 5, broken_lines: 0 })
      // Of the same length, and with one call that is another.
      writeLines(path, [...calls("a", 5), ...calls("b", 11), ...calls("c", 1)])
      assert.deepInclude(yield* importing(path), { lines: 34, recorded: 1 })
      assert.deepInclude(yield* importing(path), { lines: 0, recorded: 0 })
      assert.lengthOf(yield* events, 23)
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("goes on past what cannot be read, and follows no link in a circle", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      writeLines(join(folder, "a.jsonl"), finishedCall("a"))
      writeLines(join(folder, "sub", "b.jsonl"), finishedCall("b"))
      writeFileSync(join(folder, "notes.txt"), "no transcript")
      symlinkSync(join(folder, "gone.jsonl"), join(folder, "dangling.jsonl"))
      symlinkSync(folder, join(folder, "sub", "circle"))
      symlinkSync(join(folder, "a.jsonl"), join(folder, "twice.jsonl"))
      const { said, ...counts } = yield* importing(folder, join(folder, "a.jsonl"))
      assert.deepInclude(counts, { files: 2, recorded: 2, already_known: 0 })
      assert.deepStrictEqual(said, [
        `could not read ${join(folder, "dangling.jsonl")}: ENOENT: no such file or directory`,
      ])
    }).pipe(Effect.provide(Surroundings)),
  )

  it.live("goes on past a transcript that vanishes or grows while it is read", () => {
    const folder = temporaryFolder()
    const [a, b, c] = ["a", "b", "c"].map((id) => writeLines(join(folder, `${id}.jsonl`), finishedCall(id))) as [
      string,
      string,
      string,
    ]
    /** As the others, but something happens to the files between finding and reading them. */
    const Disturbed = Layer.map(Surroundings, (context) => {
      const transcripts = Context.get(context, Transcripts)
      return Context.add(context, Transcripts, {
        ...transcripts,
        find: (paths) =>
          Effect.tap(transcripts.find(paths), () =>
            Effect.sync(() => {
              rmSync(b)
              appendFileSync(c, `${finishedCall("more").join("\n")}\n`)
            }),
          ),
      })
    })
    return Effect.gen(function* () {
      const { said, ...counts } = yield* importing(folder)
      assert.deepInclude(counts, { files: 3, recorded: 3 })
      assert.deepStrictEqual(said, [`could not read ${b}: ENOENT: no such file or directory`])
      assert.sameMembers(
        (yield* events).map((event) => event.tool_use_id as string),
        ["a", "c", "more"],
      )
      assert.isTrue(existsSync(a))
    }).pipe(Effect.provide(Disturbed))
  })

  it.live("tells hooks that it is running, as long as it is, and runs beside another that does", () => {
    const home = temporaryFolder()
    const isHeld = Effect.sync(() => isHomeLockHeld(home, "import"))
    const held: Array<boolean> = []
    const listener: ImportListener = {
      onProgress: () => Effect.map(isHeld, (each) => held.push(each)),
      onUnreadable: () => Effect.void,
      onBrokenLine: () => Effect.void,
    }
    return Effect.gen(function* () {
      const { find } = yield* Transcripts
      const importAll = Effect.flatMap(find([realTranscripts]), (found) => importTranscripts(found, listener))
      yield* importAll
      assert.deepStrictEqual([held, yield* isHeld], [[true, true], false])
      yield* Effect.scoped(Effect.zipRight(holdHomeLock("import"), importAll))
      assert.isFalse(yield* isHeld)
    }).pipe(Effect.provide(Layer.merge(Surroundings, homeAt(home))))
  })

  it.live("fails where a path that was named is not there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(importing("/nowhere/at/all"))
      assert.strictEqual(error.message, "there is no file or folder /nowhere/at/all")
    }).pipe(Effect.provide(Surroundings)),
  )
})
