import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { holdHomeLock } from "../../layers/files/lock.ts"
import { ProjectResolverLive, ProjectResolverRemembering } from "../../layers/files/ProjectResolverLive.ts"
import { tokenFile, tokenPath } from "../../layers/files/tokenFile.ts"
import { Home } from "../../services/Home.ts"
import { HookEnvironment } from "../record/HookEnvironment.ts"
import { makeHookApp } from "./hookApp.ts"
import { CannotServe, listen } from "./listen.ts"
import { makeRecorder } from "./recorder.ts"

const Resolver = Layer.provide(
  ProjectResolverRemembering({ capacity: 1000, timeToLive: "10 seconds" }),
  ProjectResolverLive,
)

const serving = (port: number) =>
  Effect.gen(function* () {
    const home = yield* Home
    yield* holdHomeLock("serve").pipe(
      Effect.catchTag(
        "LockHeld",
        () => new CannotServe({ message: `tooltrail serve is already running for ${home.directory}` }),
      ),
    )
    const token = yield* tokenFile(tokenPath(home))
    const recorder = yield* makeRecorder
    const actualPort = yield* listen(port, (port) => makeHookApp({ port, token, recorder }))
    yield* Effect.logInfo(`listening on http://127.0.0.1:${actualPort}/hook; the bearer token is in ${tokenPath(home)}`)
    return yield* Effect.never
  })

/** Records what agents post, until it is interrupted. Port 0 means any free one. */
export const serve = (port: number): Effect.Effect<never, CannotServe | PersistenceError> =>
  serving(port).pipe(
    Effect.scoped,
    Effect.provide(Layer.provideMerge(Resolver, HookEnvironment)),
    // Nobody collects the spans, and they are a large part of what a call costs.
    Effect.withTracerEnabled(false),
  )
