import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ProjectResolverLive } from "../../src/layers/ProjectResolverLive.ts"
import { StoreMemory } from "../../src/layers/Store.ts"
import { TranscriptsLive } from "../../src/layers/TranscriptsLive.ts"
import { importTranscripts } from "../../src/programs/importTranscripts.ts"
import { receiveHookEvent } from "../../src/programs/receiveHookEvent.ts"
import { recordToolUse } from "../../src/programs/recordToolUse.ts"
import { realTranscripts } from "../support/transcripts.ts"

const Surroundings = Layer.merge(StoreMemory, Layer.provideMerge(TranscriptsLive, ProjectResolverLive))

const all = (statement: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement))

const events = all("SELECT * FROM tool_usage_events ORDER BY id")

/** Imports, and gathers what it says. */
const importing = (...paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const { summary } = yield* importTranscripts(paths, {
      onProgress: () => Effect.void,
      onUnreadable: ({ message }) => Effect.sync(() => said.push(message)),
      onBrokenLine: (path, line) => Effect.sync(() => said.push(`${path}:${line}`)),
    })
    const { seconds, ...counts } = summary
    assert.isAtLeast(seconds, 0)
    assert.strictEqual(counts.calls_found, counts.recorded + counts.already_known + counts.without_result)
    return { ...counts, said }
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
  Effect.forEach(payloads, (payload) => Effect.flatMap(Effect.flatten(receiveHookEvent(payload)), recordToolUse))

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
})
