import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { extractServerName } from "../../src/domain/ToolName.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { StoreDraftLive } from "../../src/layers/StoreDraftSql.ts"
import { rollUpRecent } from "../../src/layers/store/addToRollups.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { appendInPieces } from "../../src/programs/history/importIntoDraft.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { StoreDraft } from "../../src/services/StoreDraft.ts"
import { UsageRollups } from "../../src/services/StoreUpkeep.ts"
import { toolUse, toolUses } from "../support/toolUses.ts"

const Draft = Layer.fresh(StoreDraftLive)

const stored = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* rollUpRecent(sql)
  const without =
    (...columns: ReadonlyArray<string>) =>
    (rows: ReadonlyArray<object>) =>
      rows.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => !columns.includes(column))))
  const series = (table: string) =>
    Effect.map(
      sql.unsafe<Record<string, unknown>>(`SELECT * FROM ${table} JOIN usage_series ON id = series_id`),
      (rows) =>
        without(
          "id",
          "series_id",
        )(rows)
          .map((row) => JSON.stringify(row))
          .sort(),
    )
  return {
    events: without("id")(yield* sql`SELECT * FROM tool_usage_events ORDER BY id`),
    registry: without("id", "updated_at")(yield* sql`SELECT * FROM tool_registry ORDER BY name, project_hash`),
    projects: yield* sql`SELECT * FROM projects ORDER BY project_hash`,
    hours: yield* series("usage_by_hour"),
    days: yield* series("usage_by_day"),
    state: yield* sql`SELECT * FROM rollup_state`,
    drift: yield* Effect.flatMap(UsageRollups, ({ findDrift }) => findDrift),
    schema: yield* sql`SELECT type, name, sql FROM sqlite_schema ORDER BY type, name`,
  }
})

/** Appends the calls, those from `resumed` on as a process that goes on with the draft of another, older one would. */
const drafted = (uses: ReadonlyArray<ToolUse>, resumed: number) =>
  Effect.gen(function* () {
    yield* Effect.provide(appendInPieces([uses.slice(0, resumed)]), Draft)
    const sql = yield* SqlClient.SqlClient
    yield* sql`INSERT INTO left_out VALUES ('CREATE TRIGGER of_before AFTER INSERT ON tool_usage_events BEGIN SELECT 1; END')`
    return yield* Effect.gen(function* () {
      const { finish } = yield* StoreDraft
      yield* appendInPieces([uses.slice(resumed)])
      return yield* finish
    }).pipe(Effect.provide(Draft))
  })

const oneByOne = (uses: ReadonlyArray<ToolUse>) => Effect.forEach(uses, recordToolUse, { discard: true })

const fromTranscript = (use: ToolUse): ToolUse => ({
  ...use,
  source: "transcript",
  serverName: extractServerName(use.toolName),
})

describe("the draft of a store", () => {
  it("is, when it is finished, the store that recording call by call makes, whatever came twice", () => {
    const withCopies = fc.tuple(toolUses(1e12, 3), fc.array(fc.tuple(fc.nat(), fc.nat()))).map(([uses, copies]) => [
      ...uses,
      ...copies.flatMap(([n, other]) => {
        const [use, from] = [uses[n % Math.max(1, uses.length)], uses[other % Math.max(1, uses.length)]]
        // The copy of a call in another session, at another time.
        return use === undefined || from === undefined ? [] : [{ ...from, agent: use.agent, toolUseId: use.toolUseId }]
      }),
    ])
    // Where no call came twice, the sums are those that were made while the calls were appended; many of an hour and a series.
    const allNew = toolUses(1e12, 0.1).map((uses) =>
      uses
        .flatMap((use, n) => [use, { ...use, usedAt: uses.at(-1 - n)?.usedAt ?? use.usedAt }])
        .map((use, n) => ({ ...use, toolUseId: `toolu_${n}` })),
    )
    const arriving = fc.oneof(withCopies, allNew).map((uses) => uses.map(fromTranscript))
    return fc.assert(
      fc.asyncProperty(arriving, fc.nat({ max: 80 }), (uses, resumed) =>
        Effect.gen(function* () {
          const [repeats, made] = yield* Effect.provide(Effect.all([drafted(uses, resumed), stored]), StoreMemory)
          const [, expected] = yield* Effect.provide(Effect.all([oneByOne(uses), stored]), StoreMemory)
          assert.strictEqual(repeats, uses.length - expected.events.length)
          assert.deepStrictEqual(made, expected)
          assert.deepStrictEqual(made.drift, [])
        }).pipe(Effect.runPromise),
      ),
      { numRuns: 100 },
    )
  })

  it.effect("knows its calls when it is finished", () =>
    Effect.gen(function* () {
      const use = fromTranscript(toolUse({ toolUseId: "a" }))
      yield* drafted([use], 0)
      assert.strictEqual(yield* recordToolUse(use), "known")
      assert.strictEqual(yield* recordToolUse({ ...use, toolUseId: "b" }), "recorded")
      const { events, hours, drift } = yield* stored
      assert.lengthOf(events, 2)
      assert.lengthOf(hours, 1)
      assert.deepStrictEqual(drift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("is the same when it is finished once more, as where a process was killed before it gave it its name", () =>
    Effect.gen(function* () {
      const uses = ["a", "b", "a"].map((toolUseId) => fromTranscript(toolUse({ toolUseId })))
      yield* drafted(uses, 1)
      const before = yield* stored
      yield* drafted([], 0)
      assert.deepStrictEqual(yield* stored, before)
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("is gone on with where an older program began it, whose sums are others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const uses = ["a", "b"].map((toolUseId) => fromTranscript(toolUse({ toolUseId })))
      yield* Effect.provide(appendInPieces([uses.slice(0, 1)]), Draft)
      yield* sql`DROP TABLE draft_sums`
      yield* sql`CREATE TABLE draft_sums (tool_name, hour, uses)`
      yield* sql`INSERT INTO draft_sums VALUES ('Bash', '2026-11-23 12', 1)`
      yield* drafted(uses.slice(1), 0)
      const { hours, drift } = yield* stored
      assert.lengthOf(hours, 1)
      assert.deepStrictEqual(drift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("is gone on with where an older program finished it, whose sums a migration took away", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [first, ...more] = ["a", "b"].map((toolUseId) => fromTranscript(toolUse({ toolUseId })))
      yield* drafted([first ?? toolUse()], 0)
      yield* sql`DELETE FROM usage_by_hour`
      yield* sql`DELETE FROM usage_by_day`
      yield* sql`UPDATE rollup_state SET filled_to = 0, fill_until = rolled_to`
      yield* drafted(more, 0)
      const { registry, hours, state, drift } = yield* stored
      assert.deepStrictEqual(
        registry.map(({ usage_count }) => usage_count),
        [2],
      )
      assert.lengthOf(hours, 1)
      assert.deepInclude(state[0], { filled_to: 0, fill_until: 0, rolled_to: 2 })
      assert.deepStrictEqual(drift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("has the triggers that keep its sums when it is finished", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const summed = Effect.map(sql`SELECT sum(uses) AS uses FROM usage_by_hour`, ([row]) => Number(row?.uses))
      const use = fromTranscript(toolUse({ toolUseId: "a" }))
      yield* drafted([use], 0)
      assert.strictEqual(yield* summed, 1)
      // The 129th insert adds those before it.
      const more = Array.from({ length: 129 }, (_, n) => ({ ...use, toolUseId: `b${n}` }))
      yield* oneByOne(more)
      assert.strictEqual(yield* summed, 1 + 128)
      yield* sql`DELETE FROM tool_usage_events WHERE tool_use_id = 'a'`
      assert.strictEqual(yield* summed, 128)
      const { events, drift } = yield* stored
      assert.lengthOf(events, 129)
      assert.deepStrictEqual(drift, [])
    }).pipe(Effect.provide(StoreMemory)),
  )
})
