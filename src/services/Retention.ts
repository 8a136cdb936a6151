import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ProjectSelection } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"

/**
 * Takes old events out of the store. What stays are their sums by day, their part of the aggregate, their sessions and their
 * tool-use ids: a call with one is known when it comes again, a call without one only from an export of this store. An old
 * call that was never recorded is recorded like any other, and taken by the next prune. Days are UTC, `YYYY-MM-DD`. Each step
 * holds the write lock for what it takes away at once and no longer.
 */
export class Retention extends Context.Tag("tooltrail/services/Retention")<
  Retention,
  {
    /** The day before which events are pruned; none where none are pruned of these calls, by whole days. */
    readonly prunedBefore: (calls: {
      readonly project: ProjectSelection
      readonly tool?: string
      readonly from?: Timestamp
    }) => Effect.Effect<Option.Option<string>, PersistenceError>
    /** The day before which an older program pruned calls, that are not known again. */
    readonly forgottenBefore: Effect.Effect<Option.Option<string>, PersistenceError>
    /** How many events there are before a day. */
    readonly countBefore: (day: string) => Effect.Effect<number, PersistenceError>
    /**
     * From now on nobody is answered from events before the day, nor from their sums by hour. False, and nothing done, while
     * events are still to be added to the sums: what is pruned must be one of them.
     */
    readonly begin: (day: string) => Effect.Effect<boolean, PersistenceError>
    /**
     * Takes away at most `events` events from before the day, or `events` sums by hour that nobody is answered from. Returns how
     * many there were. To be begun first.
     */
    readonly pruneStep: (day: string, events: number) => Effect.Effect<number, PersistenceError>
    /** What the store's file has no use for. A store whose file an older program made cannot give it back until it is written anew. */
    readonly unusedSpace: Effect.Effect<{ readonly bytes: number; readonly canBeGivenBack: boolean }, PersistenceError>
    /** Writes the file anew, without unused space, so that it can give space back from then on. Until it is done nobody else can write. */
    readonly rewrite: Effect.Effect<void, PersistenceError>
    /** Gives at most `pages` unused pages back to the system. Returns how many it gave. */
    readonly giveBackStep: (pages: number) => Effect.Effect<number, PersistenceError>
  }
>() {}
