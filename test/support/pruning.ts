import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { AllProjects } from "../../src/domain/Project.ts"
import type { TimeWindow } from "../../src/domain/TimeWindow.ts"
import { prune } from "../../src/programs/upkeep/prune.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageReports } from "../../src/services/UsageReports.ts"

export const days = (amount: number): TimeWindow => ({ amount, unit: "days" })

/** Steps pause, and tests have a clock of their own, which is put back to `now`. */
const whilePausing = <A, E, R>(now: number, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) {
      yield* TestClock.adjust("10 millis")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    yield* TestClock.setTime(now)
    return yield* Fiber.join(fiber)
  })

/** Prunes what is older than so many days at a time. */
export const pruneAt = (now: number, age: number) => whilePausing(now, prune(days(age)))

/** What pruning leaves as it was. */
export const everything = Effect.gen(function* () {
  const reports = yield* UsageReports
  const registry = yield* ToolRegistry
  const trend = (unit: "day" | "week" | "month", tool?: string) =>
    reports.getTrend({ tool: Option.fromNullable(tool), project: AllProjects, window: days(60), unit })
  return {
    trends: yield* Effect.all([trend("day"), trend("week"), trend("month"), trend("day", "Bash")]),
    aggregate: (yield* registry.getAvailableForSession(AllProjects)).map((row) => [
      row.name,
      row.project_hash,
      row.usage_count,
      row.last_used_at,
    ]),
  }
})
