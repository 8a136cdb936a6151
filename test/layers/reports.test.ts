import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { TestContext } from "effect/TestContext"
import * as fc from "fast-check"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { hours, type TimeWindow } from "../../src/domain/TimeWindow.ts"
import { inferToolType } from "../../src/domain/ToolName.ts"
import type { ToolUsageEvent } from "../../src/domain/ToolUse.ts"
import { ReportDimension } from "../../src/domain/Usage.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { StoreUpkeep } from "../../src/services/StoreUpkeep.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"
import { projectA, projectB, toolUse, toolUses } from "../support/toolUses.ts"

const noon = Date.UTC(2026, 10, 23, 12, 20)
const HOUR = 3_600_000
const ago = (millis: number, now = noon) => Timestamp.fromEpochMillis(now - millis)
const days = (amount: number): TimeWindow => ({ amount, unit: "days" })

type Events = ReadonlyArray<ToolUsageEvent>

/** By loops over the calls, without SQL. */
const groupBy = (events: Events, keyOf: (event: ToolUsageEvent) => string | null) => {
  const groups = new Map<string, Array<ToolUsageEvent>>()
  for (const event of events) {
    const key = keyOf(event)
    if (key !== null) groups.set(key, [...(groups.get(key) ?? []), event])
  }
  return groups
}

const byCount = <Row extends { key: string | null; usage_count: number }>(rows: ReadonlyArray<Row>) =>
  [...rows].sort(
    (a, b) => b.usage_count - a.usage_count || (a.key === null ? -1 : b.key === null ? 1 : a.key < b.key ? -1 : 1),
  )

const counted = (events: Events, keyOf: (event: ToolUsageEvent) => string | null) =>
  byCount([...groupBy(events, keyOf)].map(([key, group]) => ({ key, usage_count: group.length })))

const keysOf: Record<ReportDimension, (event: ToolUsageEvent) => string | null> = {
  tool: (event) => event.tool_name,
  target: (event) => event.target,
  server: (event) => event.server_name,
  type: (event) => inferToolType(event.tool_name),
  agent: (event) => event.agent,
  project: (event) => event.project_hash,
  subagent: (event) => event.subagent,
  day: (event) => event.created_at.slice(0, 10),
}

/** The first of the sorted values at whose place at least `percent` of 100 are reached. */
const nearestRank = (percent: number, events: Events) => {
  const values = events.flatMap((event) => event.duration_ms ?? []).sort((a, b) => a - b)
  return values.find((_, place) => (place + 1) * 100 >= percent * values.length) ?? null
}

const lengths = { minute: [16, ":00"], hour: [13, ":00:00"], day: [10, " 00:00:00"] } as const

const expectedSums = (group: Events, unit: keyof typeof lengths, previous: number | null) => {
  const [length, rest] = lengths[unit]
  const trend = [...groupBy(group, (event) => event.created_at.slice(0, length))]
    .map(([bin, calls]) => ({ from: `${bin}${rest}`, usage_count: calls.length }))
    .sort((a, b) => (a.from < b.from ? -1 : 1))
  const failed = group.filter((event) => event.success === 0)
  return {
    usage_count: group.length,
    failures: failed.filter((event) => event.failure_kind === "error").length,
    interruptions: failed.filter((event) => event.failure_kind !== "error").length,
    input_bytes: group.reduce((sum, event) => sum + (event.input_bytes ?? 0), 0),
    output_bytes: group.reduce((sum, event) => sum + (event.output_bytes ?? 0), 0),
    last_used: group
      .map((event) => event.created_at)
      .sort()
      .at(-1),
    previous_count: previous,
    trend,
    sessions: new Set(group.flatMap((event) => event.session_id ?? [])).size,
  }
}

const expectedRow = (
  key: string,
  group: Events,
  whole: Events,
  unit: keyof typeof lengths,
  previous: number | null,
) => ({
  key,
  ...expectedSums(group, unit, previous),
  share: group.length / whole.length,
  median_ms: nearestRank(50, group),
  p95_ms: nearestRank(95, group),
  is_approximate: false,
})

const expectedRows = (
  dimension: ReportDimension,
  now: Events,
  before: Events | null,
  unit: keyof typeof lengths,
): ReadonlyArray<{ key: string; usage_count: number }> => {
  const groups = before === null ? null : groupBy(before, keysOf[dimension])
  return byCount(
    [...groupBy(now, keysOf[dimension])].map(([key, group]) =>
      expectedRow(key, group, now, unit, groups === null ? null : (groups.get(key)?.length ?? 0)),
    ),
  )
}

const readAll = Effect.flatMap(UsageEvents, (events) => events.getNewest(AllProjects, 1_000_000))

/** Calls, and a window of about the time that they are spread over, so that many of them are at its ends. */
const callsAndWindow = fc
  .constantFrom(
    { days: 0.1, unit: "hours" as const, most: 2 },
    { days: 2, unit: "hours" as const, most: 72 },
    { days: 20, unit: "days" as const, most: 15 },
  )
  .chain(({ days, unit, most }) =>
    fc.record({
      uses: fc.array(toolUses(noon, days), { minLength: 4, maxLength: 4, size: "max" }).map((lists) =>
        // Only some have the ids of others: those are recorded once.
        lists.flatMap((uses, place) =>
          uses.map((use, n) => (place === 0 ? use : { ...use, toolUseId: `toolu_${place}_${n}` })),
        ),
      ),
      window: fc.record({ amount: fc.integer({ min: 1, max: most }), unit: fc.constant(unit) }),
    }),
  )

/** Calls of several agents, some without one. A share of them is in the sums already; the others are read one by one. */
const recorded = (uses: Parameters<typeof recordToolUse>[0][], shareInSums = 0) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(noon)
    const sql = yield* SqlClient.SqlClient
    const inSums = Math.round(uses.length * shareInSums)
    yield* Effect.forEach(uses.slice(0, inSums), recordToolUse, { discard: true })
    yield* (yield* StoreUpkeep).foldSums
    yield* Effect.forEach(uses.slice(inSums), recordToolUse, { discard: true })
    yield* sql`UPDATE tool_usage_events SET agent = CASE id % 3 WHEN 0 THEN 'codex' WHEN 1 THEN NULL ELSE agent END`
    if (shareInSums > 0) yield* (yield* StoreUpkeep).rebuildSums
    return yield* readAll
  })

describe("the reports", () => {
  it("agree with a loop over the calls, on any calls", () =>
    fc.assert(
      fc.asyncProperty(
        // Windows begin early or late within an hour.
        fc.constantFrom(noon, noon + 0.5 * HOUR),
        callsAndWindow,
        fc.constantFrom<ProjectSelection>(projectA.hash, projectB.hash, null, AllProjects),
        fc.constantFrom(0, 0.5, 1),
        (asked, { uses, window }, project, shareInSums) =>
          Effect.gen(function* () {
            const events = yield* recorded(uses, shareInSums)
            yield* TestClock.setTime(asked)
            const reports = yield* UsageReports
            const length = hours(window) * HOUR
            const inScope = events.filter((event) => project === AllProjects || event.project_hash === project)
            const now = inScope.filter((event) => event.created_at >= ago(length, asked))
            const isBefore = (event: { readonly created_at: string }) =>
              event.created_at < ago(length, asked) && event.created_at >= ago(2 * length, asked)
            const isComparable =
              events.some((event) => event.created_at <= ago(2 * length, asked)) && events.some(isBefore)
            const earlier = inScope.filter(isBefore)
            const before = isComparable ? earlier : null
            const unit = hours(window) <= 48 ? "hour" : "day"

            for (const dimension of ReportDimension.literals) {
              const report = yield* reports.getReport(dimension, project, window)
              assert.strictEqual(Option.isSome(report), now.length > 0)
              if (Option.isNone(report)) continue
              const binUnit = dimension === "day" ? "hour" : unit
              assert.deepStrictEqual(report.value.span, { from: ago(length, asked), until: ago(0, asked), unit })
              assert.deepStrictEqual(report.value.total, expectedSums(now, binUnit, before?.length ?? null) as never)
              assert.deepStrictEqual(
                report.value.rows,
                expectedRows(dimension, now, dimension === "day" ? null : before, binUnit) as never,
              )
            }

            for (const tool of ["Bash", "it's; DROP", "never called"]) {
              const report = yield* reports.getToolReport(tool, project, window)
              const own = now.filter((event) => event.tool_name === tool)
              assert.strictEqual(Option.isSome(report), own.length > 0)
              if (Option.isNone(report)) continue
              const neighbours = { before: new Map<string | null, number>(), after: new Map<string | null, number>() }
              for (const session of groupBy(events, (event) => event.session_id).values()) {
                const order = [...session].sort((a, b) =>
                  a.created_at === b.created_at ? a.id - b.id : a.created_at < b.created_at ? -1 : 1,
                )
                for (const [place, event] of order.entries()) {
                  if (!own.includes(event)) continue
                  for (const [next, counts] of [
                    [order[place - 1], neighbours.before],
                    [order[place + 1], neighbours.after],
                  ] as const) {
                    const name = next?.tool_name ?? null
                    counts.set(name, (counts.get(name) ?? 0) + 1)
                  }
                }
              }
              const sorted = (counts: Map<string | null, number>) =>
                byCount([...counts].map(([key, usage_count]) => ({ key, usage_count })))
              assert.deepStrictEqual(report.value, {
                span: { from: ago(length, asked), until: ago(0, asked), unit },
                row: expectedRow(
                  tool,
                  own,
                  now,
                  unit,
                  before?.filter((event) => event.tool_name === tool).length ?? null,
                ),
                days: groupBy(own, keysOf.day).size,
                before: sorted(neighbours.before),
                after: sorted(neighbours.after),
                projects: counted(own, keysOf.project),
                subagents: counted(own, keysOf.subagent),
                targets: counted(own, keysOf.target),
              } as never)
            }
          }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 25 },
    ))

  it("describe a session from its first call to its last, on any calls", () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0.05, 1, 20).chain((span) => toolUses(noon, span)),
        (uses) =>
          Effect.gen(function* () {
            const events = yield* recorded([...uses])
            const reports = yield* UsageReports
            const own = events
              .filter((event) => event.session_id === "s1")
              .sort((a, b) => (a.created_at === b.created_at ? a.id - b.id : a.created_at < b.created_at ? -1 : 1))
            const report = yield* reports.getSessionReport("s1")
            const [first, last] = [own[0], own.at(-1)]
            if (first === undefined || last === undefined || Option.isNone(report)) {
              assert.deepStrictEqual([first, Option.isNone(report)], [undefined, true])
              return
            }
            const length = Timestamp.toEpochMillis(last.created_at) - Timestamp.toEpochMillis(first.created_at)
            const unit = length <= 2 * HOUR ? "minute" : length <= 48 * HOUR ? "hour" : "day"
            const { order, ...rest } = report.value
            assert.deepStrictEqual(
              order.flatMap(({ key, times }) => Array<string>(times).fill(key)),
              own.map((event) => event.tool_name),
            )
            assert.isTrue(order.every((run, place) => run.key !== order[place - 1]?.key))
            deepStrictEqual(rest, {
              sessionId: "s1",
              prunedBefore: Option.none(),
              span: { from: first.created_at, until: last.created_at, unit },
              total: expectedSums(own, unit, null),
              rows: expectedRows("tool", own, null, unit),
              projects: counted(own, keysOf.project),
              subagents: counted(own, keysOf.subagent),
            } as never)
          }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 20 },
    ))

  it("know the first call that is recorded, on any calls", () =>
    fc.assert(
      fc.asyncProperty(toolUses(noon, 20), (uses) =>
        Effect.gen(function* () {
          const events = yield* recorded([...uses])
          const reports = yield* UsageReports
          for (const project of [projectA.hash, projectB.hash, null, AllProjects] as const) {
            const own = events.filter((event) => project === AllProjects || event.project_hash === project)
            assert.strictEqual(
              Option.getOrUndefined(yield* reports.getObservedFrom(project)),
              own.map((event) => event.created_at).sort()[0],
            )
          }
        }).pipe(Effect.provide(StoreMemory), Effect.provide(TestContext), Effect.runPromise),
      ),
      { numRuns: 25 },
    ))

  it.effect("compare a window with the one before only if that is recorded from its beginning", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon)
      const reports = yield* UsageReports
      const previous = Effect.map(reports.getReport("tool", projectA.hash, days(7)), (report) =>
        Option.getOrThrow(report).rows.map((row) => [row.key, row.previous_count]),
      )
      yield* recordToolUse(toolUse({ usedAt: ago(0) }))
      yield* recordToolUse(toolUse({ usedAt: ago(10 * 24 * HOUR) }))
      assert.deepStrictEqual(yield* previous, [["Bash", null]])
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE tool_usage_events SET created_at = ${ago(400 * 24 * HOUR)} WHERE created_at < ${ago(0)}`
      // Something was recorded once, but nothing in the time before.
      assert.deepStrictEqual(yield* previous, [["Bash", null]])
      yield* sql`UPDATE tool_usage_events SET created_at = ${ago(10 * 24 * HOUR)} WHERE created_at < ${ago(0)}`
      // Another project's call shows as well that calls were recorded then.
      const inB = { projectHash: projectB.hash, projectRoot: projectB.root }
      yield* recordToolUse(toolUse({ toolName: "Read", usedAt: ago(14 * 24 * HOUR), ...inB }))
      assert.deepStrictEqual(yield* previous, [["Bash", 1]])
      yield* recordToolUse(toolUse({ usedAt: ago(14 * 24 * HOUR) }))
      assert.deepStrictEqual(yield* previous, [["Bash", 2]])
      // What falls out of the time before is no longer counted.
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* previous, [["Bash", 1]])
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("do not name what was used in the window's first hour only before the window", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon)
      const reports = yield* UsageReports
      const anHour = { amount: 1, unit: "hours" } as const
      yield* recordToolUse(toolUse({ toolName: "Read", usedAt: ago(HOUR + 1000) }))
      yield* recordToolUse(toolUse({ usedAt: ago(HOUR + 1000), subagent: "Explore" }))
      yield* recordToolUse(toolUse({ usedAt: ago(HOUR), subagent: "planner" }))
      const { rows } = Option.getOrThrow(yield* reports.getReport("tool", projectA.hash, anHour))
      assert.deepStrictEqual(
        rows.map((row) => row.key),
        ["Bash"],
      )
      const { subagents } = Option.getOrThrow(yield* reports.getToolReport("Bash", projectA.hash, anHour))
      assert.deepStrictEqual(subagents, [{ key: "planner", usage_count: 1 }])
      const events = yield* UsageEvents
      assert.deepStrictEqual(yield* events.getUsageSince(projectA.hash, anHour), [
        { tool_name: "Bash", usage_count: 1, failures: 0, last_used: ago(HOUR) },
      ])
      assert.isTrue(Option.isNone(yield* events.getUsageForTool("Read", projectA.hash, anHour)))
    }).pipe(Effect.provide(StoreMemory)),
  )

  it.effect("take the nearest rank for a median, and leave unknown durations out", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon)
      const reports = yield* UsageReports
      const record = (toolName: string, durations: ReadonlyArray<number | null>) =>
        Effect.forEach(durations, (durationMs) => recordToolUse(toolUse({ toolName, durationMs, usedAt: ago(0) })))
      yield* record("even", [40, 10, null, 30, 20])
      yield* record("hundred", [...Array(100).keys()])
      yield* record("one", [7])
      yield* record("unknown", [null, null])
      const { rows } = Option.getOrThrow(yield* reports.getReport("tool", AllProjects, days(7)))
      assert.deepStrictEqual(
        rows.map((row) => [row.key, row.usage_count, row.median_ms, row.p95_ms]),
        [
          ["hundred", 100, 49, 94],
          ["even", 5, 20, 40],
          ["unknown", 2, null, null],
          ["one", 1, 7, 7],
        ],
      )
    }).pipe(Effect.provide(StoreMemory)),
  )
})
