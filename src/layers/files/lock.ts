import { closeSync, existsSync, openSync } from "node:fs"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { makeHomeFolder } from "./HomeLive.ts"
import { type LockName, lockFile } from "./ownedFiles.ts"

/** Another process holds the lock. */
export class LockHeld extends Data.TaggedError("LockHeld")<{ readonly path: string }> {}

const isBusy = (cause: unknown) => cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_BUSY")

const attempt = <A>(path: string, run: () => A): Effect.Effect<A, LockHeld | PersistenceError> =>
  Effect.try({
    try: run,
    catch: (cause) =>
      isBusy(cause)
        ? new LockHeld({ path })
        : new PersistenceError({ operation: `lock ${path}`, reason: "unavailable", cause }),
  })

/** Whether some process holds the lock. A lock that cannot be looked at counts as free. */
export const isLockHeld = (path: string): boolean => {
  if (!existsSync(path)) return false
  try {
    const database = new Database(path, { readonly: true, timeout: 0 })
    try {
      database.prepare("SELECT 1 FROM sqlite_schema").get()
      return false
    } finally {
      database.close()
    }
  } catch (cause) {
    return isBusy(cause)
  }
}

/** Whoever looks whether a lock is held has it for a moment. */
const MOMENT_MILLIS = 50

/**
 * Holds a lock on a file until the scope closes, or fails in a moment. It is SQLite's lock on an empty database, which the
 * system releases when the process dies, however it dies; Node has no lock of its own.
 */
export const holdLock = (path: string): Effect.Effect<void, LockHeld | PersistenceError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(path, () => {
      closeSync(openSync(path, "a", 0o600))
      return new Database(path, { timeout: MOMENT_MILLIS })
    }),
    (database) => Effect.sync(() => database.close()),
  ).pipe(
    Effect.flatMap((database) => attempt(path, () => database.exec("BEGIN EXCLUSIVE"))),
    Effect.asVoid,
  )

/** Whether some process holds the lock of this name in a home folder. */
export const isHomeLockHeld = (directory: string, name: LockName): boolean =>
  isLockHeld(join(directory, lockFile(name)))

/** Holds the lock of this name in the home folder, which is made if it is missing. */
export const holdHomeLock = (name: LockName): Effect.Effect<void, LockHeld | PersistenceError, Home | Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = yield* Home
    yield* Effect.try({
      try: () => makeHomeFolder(directory),
      catch: (cause) =>
        new PersistenceError({ operation: `make the folder ${directory}`, reason: "unavailable", cause }),
    })
    yield* holdLock(join(directory, lockFile(name)))
  })
