import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PersistenceError } from "../domain/PersistenceError.ts"
import { Home } from "../services/Home.ts"
import { holdLock, type LockHeld } from "./holdLock.ts"
import { makeHomeFolder } from "./homeFolder.ts"

/** Holds the lock of this name in the home folder, which is made where it is missing, until the scope closes; or fails at once. */
export const holdHomeLock = (name: string): Effect.Effect<void, LockHeld | PersistenceError, Home | Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = yield* Home
    yield* Effect.try({
      try: () => makeHomeFolder(directory),
      catch: (cause) =>
        new PersistenceError({ operation: `make the folder ${directory}`, reason: "unavailable", cause }),
    })
    yield* holdLock(join(directory, `${name}.lock`))
  })
