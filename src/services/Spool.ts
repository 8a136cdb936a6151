import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

/** What is in the spool under a name: none if that is not a call. */
export interface WaitingCall {
  readonly name: string
  readonly use: Option.Option<ToolUse>
}

/** Calls that could not be stored, each under a name of its own, kept until the store can be written again. */
export class Spool extends Context.Tag("tooltrail/services/Spool")<
  Spool,
  {
    readonly append: (use: ToolUse) => Effect.Effect<void, PersistenceError>
    /** The names of all spooled calls, oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    /** Those that are still there, in the same order. */
    readonly read: (names: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<WaitingCall>, PersistenceError>
    /** Those that are no longer there do not matter. */
    readonly remove: (names: ReadonlyArray<string>) => Effect.Effect<void, PersistenceError>
    /** Keeps what cannot be read or stored out of the way, for a person to look at. */
    readonly setAside: (name: string) => Effect.Effect<void, PersistenceError>
    /** The names of what was set aside. */
    readonly listAside: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    /** The names of calls that a killed process was still writing more than a minute ago. */
    readonly listDrafts: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    /** Takes a draft that holds a whole call into the spool, and removes one that holds none. */
    readonly settleDraft: (name: string) => Effect.Effect<"recovered" | "removed", PersistenceError>
    /** Sets space aside, unless it is, for calls that come when the disk is full. */
    readonly keepReserve: Effect.Effect<void, PersistenceError>
  }
>() {}
