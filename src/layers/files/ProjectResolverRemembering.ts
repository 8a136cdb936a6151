import * as Cache from "effect/Cache"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ProjectResolver } from "../../services/ProjectResolver.ts"

/** Remembers which project a folder belongs to: that of `capacity` folders at most, each for `timeToLive`. */
export const ProjectResolverRemembering = (options: {
  readonly capacity: number
  readonly timeToLive: Duration.DurationInput
}): Layer.Layer<ProjectResolver, never, ProjectResolver> =>
  Layer.effect(
    ProjectResolver,
    Effect.gen(function* () {
      const resolver = yield* ProjectResolver
      const remembered = yield* Cache.make({ ...options, lookup: resolver.resolve })
      return ProjectResolver.of({ resolve: (start) => remembered.get(start) })
    }),
  )
