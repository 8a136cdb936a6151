import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ProjectSelection } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { SumDrift } from "../domain/Usage.ts"

/**
 * Keeps the store's sums, takes old events out, and gives space back. Days are UTC, `YYYY-MM-DD`. Each step holds the write lock
 * for what it does at once and no longer.
 */
export class StoreUpkeep extends Context.Tag("tooltrail/services/StoreUpkeep")<
  StoreUpkeep,
  {
    /** Adds the events that are new since the last time to the sums. */
    readonly foldSums: Effect.Effect<void, PersistenceError>
    /** The sums that are not what their events add up to. Looks at every event. */
    readonly findSumDrift: Effect.Effect<ReadonlyArray<SumDrift>, PersistenceError>
    /** Makes all sums again from the events, except those of pruned days. Nobody else can write meanwhile. */
    readonly rebuildSums: Effect.Effect<void, PersistenceError>

    /** Events before this day are pruned, and none is accepted any more; none if nothing was pruned. */
    readonly prunedBefore: Effect.Effect<Option.Option<string>, PersistenceError>
    /** The same if some of these calls were pruned, by whole days. */
    readonly prunedOf: (calls: {
      readonly project: ProjectSelection
      readonly tool?: string
      readonly from?: Timestamp
    }) => Effect.Effect<Option.Option<string>, PersistenceError>
    /** How many events there are before a day. */
    readonly countBefore: (day: string) => Effect.Effect<number, PersistenceError>
    /** From now on no event before the day is accepted, and no question is answered from one. */
    readonly beginPrune: (day: string) => Effect.Effect<void, PersistenceError>
    /**
     * Takes at most `limit` events from before the day out of the store, else at most `limit` of their sums by hour and session.
     * Their sums by day and their part of the aggregate stay. Returns how many rows it took. `beginPrune` goes first.
     */
    readonly pruneStep: (day: string, limit: number) => Effect.Effect<number, PersistenceError>
    /** Gives at most `pages` unused pages back to the system. Returns how many it gave. */
    readonly giveBackStep: (pages: number) => Effect.Effect<number, PersistenceError>
  }
>() {}
