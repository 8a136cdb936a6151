import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { PersistenceError, StoreMissing } from "../domain/StoreError.ts"

/** What a store's file says about itself. */
export interface StoreIdentity {
  readonly bytes: number
  readonly schema: number
  /** The schema this program reads and writes. */
  readonly programSchema: number
}

/** The result of a check of a store's file. */
export interface StoreCondition extends StoreIdentity {
  /** What SQLite's integrity check finds; none if the store is whole. */
  readonly damage: ReadonlyArray<string>
}

export interface RestoredStore {
  /** How many calls it holds. */
  readonly calls: number
  /** The path under which the old store is kept. */
  readonly replaced: Option.Option<string>
}

/** The store as a file that can be checked, copied and replaced, even if it cannot be used as a store. */
export class StoreFile extends Context.Tag("tooltrail/services/StoreFile")<
  StoreFile,
  {
    /** Reads the file's size and schema only. */
    readonly identify: Effect.Effect<StoreIdentity, PersistenceError | StoreMissing>
    /** Reads all of the file and changes nothing in it. */
    readonly inspect: Effect.Effect<StoreCondition, PersistenceError | StoreMissing>
    /** Writes a checked copy to `path`, by default into the home's backups, while others go on writing. Returns its path. */
    readonly backup: (path: Option.Option<string>) => Effect.Effect<string, PersistenceError | StoreMissing>
    /** Replaces the store with a checked copy of `path`. The old store is kept under another name. */
    readonly restore: (path: string) => Effect.Effect<RestoredStore, PersistenceError>
    /** The newest file among the home's backups. */
    readonly newestBackup: Effect.Effect<Option.Option<string>>
  }
>() {}
