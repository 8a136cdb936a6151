import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

/**
 * A store that nobody else sees yet. Until it is finished it lacks what follows from its events: what is made
 * once of all events takes a fraction of the time that it takes to be kept from event to event.
 */
export class StoreDraft extends Context.Tag("tooltrail/services/StoreDraft")<
  StoreDraft,
  {
    /** Adds events, also of calls that are known, one piece after the other. To be run in a transaction. */
    readonly append: (pieces: Iterable<ReadonlyArray<ToolUse>>) => Effect.Effect<void, PersistenceError>
    /**
     * Leaves each call once, as it was appended first, and makes the rest of the store: as if each call had been recorded by
     * itself, in the order of their appending. Returns how many events were of calls that were known.
     */
    readonly finish: Effect.Effect<number, PersistenceError>
  }
>() {}
