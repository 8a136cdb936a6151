import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Project } from "../domain/Project.ts"

/** Tells which project a folder belongs to. */
export class ProjectResolver extends Context.Tag("tooltrail/services/ProjectResolver")<
  ProjectResolver,
  {
    /**
     * The root is the nearest folder upward from `start` that holds `.git`, else `start` itself; a linked git worktree
     * belongs to its main checkout. A relative `start` counts from the process's own folder. A folder that is gone or
     * cannot be read is taken as its path stands.
     */
    readonly resolve: (start: string) => Effect.Effect<Project>
  }
>() {}
