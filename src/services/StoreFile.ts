import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { StoreMissing } from "../domain/StoreMissing.ts"

/** What a store's file says of itself. */
export interface StoreIdentity {
  readonly bytes: number
  readonly schema: number
  /** The schema this program reads and writes. */
  readonly programSchema: number
}

/** What a store's file is found to be. */
export interface StoreCondition extends StoreIdentity {
  /** What the database finds wrong with itself; none in a store that is whole. */
  readonly damage: ReadonlyArray<string>
}

export interface RestoredStore {
  /** How many calls it holds. */
  readonly calls: number
  /** Where the store that was there before is kept. */
  readonly replaced: Option.Option<string>
}

/** The store as a file that can be checked, copied and put in place, also where it cannot be used as a store. */
export class StoreFile extends Context.Tag("tooltrail/services/StoreFile")<
  StoreFile,
  {
    /** Looks at the file's beginning. */
    readonly identify: Effect.Effect<StoreIdentity, PersistenceError | StoreMissing>
    /** Looks through all of the file and changes nothing in it. */
    readonly inspect: Effect.Effect<StoreCondition, PersistenceError | StoreMissing>
    /** Writes a checked copy to `path`, else into the home's backups, while others go on writing. Returns where it is. */
    readonly backup: (path: Option.Option<string>) => Effect.Effect<string, PersistenceError | StoreMissing>
    /** Puts a checked copy of `path` in the store's place. What was there is kept under another name. */
    readonly restore: (path: string) => Effect.Effect<RestoredStore, PersistenceError>
    /** The newest file among the home's backups. */
    readonly newestBackup: Effect.Effect<Option.Option<string>>
  }
>() {}
