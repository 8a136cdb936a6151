import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { recordToolUses } from "../../src/programs/record/recordToolUses.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { Transaction } from "../../src/services/Transaction.ts"
import { toolUse, toolUses } from "../support/toolUses.ts"

const stored = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* (yield* StoreUpkeep).foldSums
  return {
    events: yield* sql`SELECT * FROM tool_usage_events ORDER BY id`,
    registry: yield* sql`SELECT * FROM tool_registry ORDER BY name, project_hash`,
    projects: yield* sql`SELECT * FROM projects ORDER BY project_hash`,
    sumDrift: yield* (yield* StoreUpkeep).findSumDrift,
  }
})

const inBatches = (uses: ReadonlyArray<ToolUse>, sizes: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const { atomically } = yield* Transaction
    let recorded = 0
    let from = 0
    for (let turn = 0; from < uses.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1
      recorded += (yield* atomically(recordToolUses(uses.slice(from, from + size)))).length
      from += size
    }
    return recorded
  })

const oneByOne = (uses: ReadonlyArray<ToolUse>) =>
  Effect.map(
    Effect.forEach(uses, (use) => Effect.map(recordToolUse(use), (outcome) => (outcome === "recorded" ? 1 : 0))),
    (recorded) => recorded.reduce<number>((sum, one) => sum + one, 0),
  )

describe("recordToolUses", () => {
  it("leaves the same store as one recordToolUse after the other, in any order and with any repeats", () => {
    const servers = fc.constantFrom("given", "x", null)
    const sources = fc.constantFrom("hook" as const, "transcript" as const)
    const agents = fc.constantFrom("claude-code", "codex")
    const arriving = fc
      .tuple(toolUses(1e12, 30), fc.array(fc.tuple(fc.nat(), servers, sources, agents)))
      .map(([uses, repeats]) => [
        ...uses,
        ...repeats.flatMap(([n, serverName, source, agent]) => {
          const use = uses[n % Math.max(1, uses.length)]
          return use === undefined ? [] : [{ ...use, serverName, source, agent }]
        }),
      ])
    return fc.assert(
      fc.asyncProperty(arriving, fc.array(fc.integer({ min: 1, max: 140 }), { minLength: 1 }), (uses, sizes) =>
        Effect.gen(function* () {
          const [bulk, single] = yield* Effect.all(
            [inBatches(uses, sizes), oneByOne(uses)].map((record) =>
              Effect.all({ recorded: record, stored: Effect.suspend(() => stored) }).pipe(Effect.provide(StoreMemory)),
            ),
          )
          assert.strictEqual(bulk?.recorded, single?.recorded)
          assert.deepStrictEqual(bulk?.stored.events, single?.stored.events)
          assert.deepStrictEqual(bulk?.stored.projects, single?.stored.projects)
          assert.deepStrictEqual(bulk?.stored.sumDrift, [])
          const timeless = (rows: ReadonlyArray<object> | undefined) =>
            rows?.map((row) => ({ ...row, id: undefined, updated_at: undefined }))
          assert.deepStrictEqual(timeless(bulk?.stored.registry), timeless(single?.stored.registry))
        }).pipe(Effect.runPromise),
      ),
      { numRuns: 30 },
    )
  })

  it.effect("records nothing of no calls, and all of many", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* recordToolUses([]), 0)
      const many = Array.from({ length: 1234 }, (_, n) => toolUse({ toolUseId: `toolu_${n}` }))
      assert.lengthOf(yield* recordToolUses(many), 1234)
      assert.lengthOf(yield* recordToolUses([...many, toolUse()]), 1)
      const { events, registry } = yield* stored
      assert.lengthOf(events, 1235)
      assert.strictEqual(registry[0]?.usage_count, 1235)
    }).pipe(Effect.provide(StoreMemory)),
  )
})
