import { join } from "node:path"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import { holdLock } from "../../layers/files/lock.ts"
import { Home } from "../../services/Home.ts"
import { HomeFiles } from "../../services/HomeFiles.ts"

const refuseWhileServing = Effect.gen(function* () {
  const home = yield* Home
  yield* Effect.scoped(holdLock(join(home.directory, "serve.lock"))).pipe(
    Effect.catchTag(
      "LockHeld",
      () =>
        new PersistenceError({
          operation: `remove what is in ${home.directory}`,
          reason: "unavailable",
          cause: "`tooltrail serve` is running; stop it first",
        }),
    ),
  )
})

/** Removes all that tooltrail keeps. Returns whether nothing else was in its home, which is then gone as well. */
export const purge: Effect.Effect<boolean, PersistenceError, Home | HomeFiles> = Effect.gen(function* () {
  const files = yield* HomeFiles
  if ((yield* files.findAll).length === 0) return false
  yield* refuseWhileServing
  return yield* files.removeAll(yield* files.findAll)
})
