import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { cutoff, type TimeWindow } from "../../domain/TimeWindow.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"

/** A step holds the write lock, and hooks wait for it. */
const LONGEST_STEP_MILLIS = 50
const FIRST_STEP = 100

/** Between two steps whoever waits for the lock gets it. */
const PAUSE = "10 millis"

/**
 * Repeats a step until it does nothing, and returns what it did in all. It is grown while it takes less than a quarter of
 * the longest time a step may take, and shrunk where it takes more than half.
 */
const inSteps = <E, R>(step: (size: number) => Effect.Effect<number, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    let size = FIRST_STEP
    let total = 0
    while (true) {
      const started = yield* Clock.currentTimeMillis
      const done = yield* step(size)
      if (done === 0) return total
      total += done
      const millis = (yield* Clock.currentTimeMillis) - started
      if (millis < LONGEST_STEP_MILLIS / 4) size = Math.ceil(size * 1.5)
      else if (millis > LONGEST_STEP_MILLIS / 2) size = Math.ceil(size / 2)
      yield* Effect.sleep(PAUSE)
    }
  })

export interface PruneResult {
  /** The day before which events are pruned, `YYYY-MM-DD`. */
  readonly before: string
  /** How many events there were. */
  readonly events: number
  /** Pages of 4 KiB given back to the system. */
  readonly freedPages: number
}

const dayOf = (age: TimeWindow) => Effect.map(cutoff(age), (timestamp) => timestamp.slice(0, 10))

/** What pruning would take away. */
export const previewPrune = Effect.fn("previewPrune")(function* (
  age: TimeWindow,
): Effect.fn.Return<PruneResult, PersistenceError, StoreUpkeep> {
  const upkeep = yield* StoreUpkeep
  const before = yield* dayOf(age)
  return { before, events: yield* upkeep.countBefore(before), freedPages: 0 }
})

/**
 * Takes the events of whole days (UTC) before the age out of the store and keeps their sums by day. If there are none, no day
 * counts as pruned. It is done in short steps; one that is cut short is finished by the next prune.
 */
export const prune = Effect.fn("prune")(function* (
  age: TimeWindow,
): Effect.fn.Return<PruneResult, PersistenceError, StoreUpkeep> {
  const upkeep = yield* StoreUpkeep
  const before = yield* dayOf(age)
  const events = yield* upkeep.countBefore(before)
  if (events > 0) yield* upkeep.beginPrune(before)
  yield* inSteps((limit) => upkeep.pruneStep(before, limit))
  return { before, events, freedPages: yield* inSteps(upkeep.giveBackStep) }
})
