import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { PersistenceError } from "../domain/PersistenceError.ts"

/**
 * Takes old events out of the store. Their sums by day stay, and what the aggregate counts stays. Days are UTC, `YYYY-MM-DD`.
 * Each step holds the write lock for what it takes away at once and no longer.
 */
export class Retention extends Context.Tag("tooltrail/services/Retention")<
  Retention,
  {
    /** The day before which the events are pruned. */
    readonly prunedBefore: Effect.Effect<Option.Option<string>, PersistenceError>
    /** How many events there are before a day. */
    readonly countBefore: (day: string) => Effect.Effect<number, PersistenceError>
    /**
     * From now on nobody is answered from events before the day, nor from their sums by hour. False, and nothing done, while
     * events are still to be added to the sums: what is pruned must be one of them.
     */
    readonly begin: (day: string) => Effect.Effect<boolean, PersistenceError>
    /** Takes away at most `events` events, or `events` sums by hour, of what is pruned. Returns how many there were. */
    readonly pruneStep: (events: number) => Effect.Effect<number, PersistenceError>
    /** Gives at most `pages` unused pages back to the system. Returns how many it gave. */
    readonly giveBackStep: (pages: number) => Effect.Effect<number, PersistenceError>
  }
>() {}
