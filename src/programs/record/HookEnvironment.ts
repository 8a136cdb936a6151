import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { locateHome } from "../../layers/files/HomeLive.ts"
import { fileLogger } from "../../layers/files/log.ts"
import { projectResolver } from "../../layers/files/ProjectResolverLive.ts"
import { makeSpool } from "../../layers/files/SpoolFiles.ts"
import { Home } from "../../services/Home.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"
import { Spool } from "../../services/Spool.ts"

const make = Effect.gen(function* () {
  const home = yield* locateHome
  yield* Effect.locallyScoped(FiberRef.currentLoggers, HashSet.make(fileLogger(home)))
  return Context.make(Home, home).pipe(
    Context.add(ProjectResolver, projectResolver),
    Context.add(Spool, yield* Effect.provideService(makeSpool, Home, home)),
  )
})

/** All that the hook needs beside the store, and its log in place of every other. One layer, like the store, and for the same reason. */
export const HookEnvironment: Layer.Layer<Home | ProjectResolver | Spool, PersistenceError> = Layer.scopedContext(make)
