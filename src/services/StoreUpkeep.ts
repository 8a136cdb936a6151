import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { RollupDrift } from "../domain/Rollups.ts"
import type { PersistenceError } from "../domain/StoreError.ts"

/**
 * The sums of events by day and hour that make questions over long windows cheap. They are kept as events are written; what a
 * store held before it had them is added in steps, and until then questions are answered from the events.
 */
export class UsageRollups extends Context.Tag("tooltrail/services/UsageRollups")<
  UsageRollups,
  {
    /** Adds the next `events` of the old events to the sums, in one transaction; 2,000 unless told. Returns whether any are left. */
    readonly fillStep: (events?: number) => Effect.Effect<boolean, PersistenceError>
    /** How many old events are still to be added. */
    readonly countUnfilled: Effect.Effect<number, PersistenceError>
    /** The sums that differ from those of their events that are added. Looks at every event. */
    readonly findDrift: Effect.Effect<ReadonlyArray<RollupDrift>, PersistenceError>
    /** Forgets the sums of all events that are there, so that `fillStep` makes them anew. */
    readonly reset: Effect.Effect<void, PersistenceError>
  }
>() {}
