import { closeSync, fsync, fsyncSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"

const sync = (path: string, flags: "r" | "r+"): void => {
  const handle = openSync(path, flags)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Returns when what was written to a file is on the disk. Throws the system's error. */
export const syncFile = (path: string): void => sync(path, "r+")

/**
 * The same in a thread of the system's, while this one goes on. Whoever leaves it aside has to come back to it: a disk's error
 * is told once, and not again by the sync that follows. To close the file gives up all locks that this process has on it, as
 * POSIX wants it: of a database, it is for those that nobody else opens.
 */
export const syncFileAside = (path: string): Effect.Effect<void, PersistenceError> =>
  Effect.async<void, unknown>((resume) => {
    const handle = openSync(path, "r+")
    fsync(handle, (error) => {
      closeSync(handle)
      resume(error === null ? Effect.void : Effect.fail(error))
    })
  }).pipe(
    Effect.catchAllDefect(Effect.fail),
    Effect.mapError(
      (cause) => new PersistenceError({ operation: `write ${path} to the disk`, reason: "unavailable", cause }),
    ),
  )

/** The same of the names in a folder. */
export const syncFolder = (folder: string): void => {
  // Windows has no way to sync a folder.
  if (process.platform !== "win32") sync(folder, "r")
}
