import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { holdLock, isLockHeld, type LockHeld } from "./lock.ts"

/** The locks of a home: of the server, of a reconciling, and of an import into a store that hooks use. */
type LockName = "serve" | "reconcile" | "import"

const lockPath = (directory: string, name: LockName) => join(directory, `${name}.lock`)

/** Whether some process holds the lock of this name in a home folder. */
export const isHomeLockHeld = (directory: string, name: LockName): boolean => isLockHeld(lockPath(directory, name))

/** Holds the lock of this name in the home folder, which is made where it is missing, until the scope closes; or fails in a moment. */
export const holdHomeLock = (name: LockName): Effect.Effect<void, LockHeld | PersistenceError, Home | Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = yield* Home
    yield* Effect.try({
      try: () => makeHomeFolder(directory),
      catch: (cause) =>
        new PersistenceError({ operation: `make the folder ${directory}`, reason: "unavailable", cause }),
    })
    yield* holdLock(lockPath(directory, name))
  })
