import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/StoreError.ts"

/** Where tooltrail keeps its files, as absolute paths. Nothing is created by naming them. */
export class Home extends Context.Tag("tooltrail/services/Home")<
  Home,
  {
    readonly directory: string
    readonly database: string
    readonly log: string
    /** The folder of calls that could not be stored yet. */
    readonly spool: string
  }
>() {}

/** A file or folder that others may read or write. */
export interface LooseFile {
  readonly path: string
  readonly mode: number
  readonly wanted: number
  /** It held a secret that others may have read. */
  readonly isSecret: boolean
  /** A folder that holds other things, or is open to everybody like `/tmp`. Its mode is for a person to change. */
  readonly isShared: boolean
}

/** The files in the home folder, apart from what they hold. Files that are not tooltrail's own are never touched. */
export class HomeFiles extends Context.Tag("tooltrail/services/HomeFiles")<
  HomeFiles,
  {
    /** Fails if a call could not be recorded because the home or its store cannot be written. */
    readonly checkWritable: Effect.Effect<void, PersistenceError>
    /** Own files and folders that are open to others. None if the system has no such modes. */
    readonly findLoose: Effect.Effect<ReadonlyArray<LooseFile>, PersistenceError>
    /** Closes it to others. */
    readonly tighten: (file: LooseFile) => Effect.Effect<void, PersistenceError>
    /** Half-written files, apart from the spool's, that a killed process left more than a minute ago. */
    readonly findDrafts: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    readonly removeDraft: (path: string) => Effect.Effect<void, PersistenceError>
    /** Every own file. */
    readonly findAll: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    /** Removes these files for good, then tooltrail's folders if they are empty. */
    readonly removeAll: (paths: ReadonlyArray<string>) => Effect.Effect<void, PersistenceError>
  }
>() {}
