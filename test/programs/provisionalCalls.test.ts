import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { makeCallId } from "../../src/domain/CallId.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { Transaction } from "../../src/services/Transaction.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { toolUse } from "../support/toolUses.ts"

const START = Date.UTC(2026, 10, 23, 23, 55)

/** What a transcript shows, as an import stores it. */
const importShown = (shown: ReadonlyArray<ToolUse>) =>
  Effect.gen(function* () {
    const { atomically } = yield* Transaction
    const { removeProvisional } = yield* UsageEvents
    yield* atomically(Effect.zipRight(removeProvisional(shown), recordToolUses(shown)))
  })

const assertProved = Effect.gen(function* () {
  const upkeep = yield* StoreUpkeep
  assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
  yield* upkeep.foldSums
  assert.deepStrictEqual(yield* upkeep.findSumDrift, [])
  assert.deepStrictEqual(yield* (yield* ToolRegistry).findDrift, [])
})

const storedCalls = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ tool_use_id: string; session_id: string }>`SELECT tool_use_id, session_id FROM tool_usage_events`,
    (rows) => rows.map((row) => ({ session: row.session_id, isMade: !row.tool_use_id.startsWith("toolu_") })),
  ),
)

describe("calls whose agent gave no id", () => {
  it("each count once after the transcript of their session was read, whichever of both missed some", () => {
    const calls = fc.array(
      fc.record({
        session: fc.constantFrom("a", "b"),
        tool: fc.constantFrom("Bash", "Read"),
        isHooked: fc.boolean(),
        isNamed: fc.boolean(),
        isShown: fc.boolean(),
      }),
      { maxLength: 40 },
    )
    return fc.assert(
      fc.asyncProperty(calls, fc.nat(40), fc.boolean(), (calls, readAt, isFolded) =>
        Effect.gen(function* () {
          const uses = calls.map((call, n) => ({
            ...call,
            n,
            // A minute apart, so that each side of midnight has some.
            use: toolUse({
              toolName: call.tool,
              sessionId: call.session,
              toolUseId: `toolu_${n}`,
              usedAt: Timestamp.fromEpochMillis(START + n * 60_000),
            }),
          }))
          const hooked = uses.filter(({ isHooked }) => isHooked)
          for (const { use, isNamed } of hooked) {
            yield* recordToolUse(isNamed ? use : { ...use, toolUseId: yield* makeCallId })
          }
          if (isFolded) yield* (yield* StoreUpkeep).foldSums
          // The transcript is read while the session goes on, and once more at its end.
          const shown = uses.filter(({ isShown }) => isShown).map(({ use }) => use)
          yield* importShown(shown.slice(0, readAt))
          yield* assertProved
          yield* importShown(shown)
          yield* assertProved
          for (const session of ["a", "b"]) {
            const own = uses.filter((call) => call.session === session)
            const last = own.findLastIndex(({ isShown }) => isShown)
            const expected = own.filter(
              ({ isShown, isHooked, isNamed }, place) => isShown || (isHooked && (isNamed || place > last)),
            )
            const stored = (yield* storedCalls).filter((call) => call.session === session)
            assert.lengthOf(stored, expected.length)
            assert.lengthOf(
              stored.filter(({ isMade }) => isMade),
              own.filter(({ isHooked, isNamed }, place) => isHooked && !isNamed && place > last).length,
            )
          }
        }).pipe(Effect.provide(StoreMemory), Effect.runPromise),
      ),
      { numRuns: 30 },
    )
  })

  it.effect("stay if they are another agent's, or of another session", () =>
    Effect.gen(function* () {
      const made = (fields: Partial<ToolUse>) =>
        Effect.flatMap(makeCallId, (toolUseId) => recordToolUse(toolUse({ toolUseId, ...fields })))
      yield* made({ agent: "codex" })
      yield* made({ sessionId: "another" })
      yield* made({ sessionId: null })
      yield* made({})
      yield* importShown([toolUse()])
      assert.lengthOf(yield* storedCalls, 4)
      yield* assertProved
    }).pipe(Effect.provide(StoreMemory)),
  )
})
