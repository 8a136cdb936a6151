import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Times } from "../domain/foldUses.ts"
import type { Project } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"

/** The projects that calls were seen in, so that reports can show names. */
export class Projects extends Context.Tag("tooltrail/services/Projects")<
  Projects,
  {
    /** Keeps the project with the earliest and the latest time it was seen. */
    readonly remember: (project: Project, seen: Times) => Effect.Effect<void, PersistenceError>
    /** The same of many. To be run in a transaction. */
    readonly rememberAll: (seen: ReadonlyArray<readonly [Project, Times]>) => Effect.Effect<void, PersistenceError>
    /** By hash. */
    readonly getAll: Effect.Effect<ReadonlyMap<string, Project>, PersistenceError>
  }
>() {}
