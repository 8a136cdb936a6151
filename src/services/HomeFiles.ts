import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/StoreError.ts"

/** A file or folder that others may read or write. */
export interface LooseFile {
  readonly path: string
  readonly mode: number
  readonly wanted: number
}

/** The files in the home folder, apart from what they hold. */
export class HomeFiles extends Context.Tag("tooltrail/services/HomeFiles")<
  HomeFiles,
  {
    /** Of tooltrail's own files and folders, those that are open to others. None where the system has no such modes. */
    readonly findLoose: Effect.Effect<ReadonlyArray<LooseFile>, PersistenceError>
    /** Closes it to others. Refuses a folder that clearly serves others as well. */
    readonly tighten: (file: LooseFile) => Effect.Effect<void, PersistenceError>
    /** Paths of half-made stores and backups that a killed process left more than a minute ago. */
    readonly findDrafts: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    readonly removeDraft: (path: string) => Effect.Effect<void, PersistenceError>
    /** Everything that tooltrail keeps in its home, as paths; what else lies there is left out. */
    readonly findAll: Effect.Effect<ReadonlyArray<string>, PersistenceError>
    /** Removes these for good, and the home folder if it is empty then. Returns whether it was. */
    readonly removeAll: (paths: ReadonlyArray<string>) => Effect.Effect<boolean, PersistenceError>
  }
>() {}
