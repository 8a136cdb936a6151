import { closeSync, existsSync, openSync } from "node:fs"
import Database from "better-sqlite3"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PersistenceError } from "../../domain/StoreError.ts"

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

/** Whether some process holds the lock. One that cannot be looked at counts as free. */
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

/** To look whether a lock is held takes a moment of it. */
const MOMENT_MILLIS = 50

/**
 * Holds a lock on a file until the scope closes, or fails in a moment. It is SQLite's lock on an empty database, which the
 * system lets go of when the process dies, however it dies; Node has no lock of its own.
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
