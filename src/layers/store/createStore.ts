import { closeSync, linkSync, openSync, readdirSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { bringUpToDate, connectSqlite } from "./connect.ts"

const DRAFT_LIFETIME_MILLIS = 60_000

/** What a process that was killed in the making of a store left behind. */
const removeOldDrafts = (filename: string) => {
  const folder = dirname(filename)
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(filename)}.new-`)) continue
    const path = join(folder, name)
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
    if (age > DRAFT_LIFETIME_MILLIS) rmSync(path, { force: true })
  }
}

/**
 * A new store is made under a name of its own, and gets its real one when it is whole, unless another process was first.
 * So nobody ever meets a half-made store.
 */
export const createStoreFile = (filename: string) =>
  Effect.acquireUseRelease(
    Effect.try(() => {
      removeOldDrafts(filename)
      const draft = `${filename}.new-${process.pid}-${Date.now().toString(36)}`
      closeSync(openSync(draft, "wx", 0o600))
      return draft
    }),
    (draft) =>
      Effect.gen(function* () {
        const client = yield* connectSqlite(draft, { busyTimeoutMillis: 0, checkpointPages: 0 })
        // What is pruned can be given back only where this is set before the first table.
        yield* client`PRAGMA auto_vacuum = INCREMENTAL`
        yield* client`PRAGMA journal_mode = WAL`
        yield* bringUpToDate(client)
      }).pipe(
        Effect.scoped,
        Effect.zipRight(Effect.try(() => linkSync(draft, filename))),
        Effect.catchIf(
          ({ cause }) => (cause as NodeJS.ErrnoException | undefined)?.code === "EEXIST",
          () => Effect.void,
        ),
      ),
    (draft) =>
      Effect.sync(() => {
        for (const suffix of ["", "-wal", "-shm"]) rmSync(draft + suffix, { force: true })
      }),
  )
