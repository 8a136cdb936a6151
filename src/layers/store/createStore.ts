import { readdirSync, rmSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { isAbandoned, publish } from "../files/atomicFile.ts"
import { makeDraft } from "../files/draft.ts"
import { bringUpToDate, connectSqlite } from "./connect.ts"

/** What a process left behind that was killed while it made a store. */
const removeOldDrafts = (filename: string) => {
  const folder = dirname(filename)
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name.startsWith(`${basename(filename)}.new-`) && isAbandoned(path, Date.now())) rmSync(path, { force: true })
  }
}

/**
 * A new store is made as a draft, and gets its name when it is whole, unless another process was first. So nobody ever sees
 * a half-made store.
 */
export const createStoreFile = (filename: string) =>
  Effect.gen(function* () {
    yield* Effect.try(() => removeOldDrafts(filename))
    const draft = yield* makeDraft(filename)
    yield* Effect.gen(function* () {
      const client = yield* connectSqlite(draft, { busyTimeoutMillis: 0, checkpointPages: 0 })
      // The space of pruned calls can be given back only if this is set before the first table.
      yield* client`PRAGMA auto_vacuum = INCREMENTAL`
      yield* client`PRAGMA journal_mode = WAL`
      yield* bringUpToDate(client)
    }).pipe(Effect.scoped)
    yield* Effect.try(() => publish(draft, filename))
  }).pipe(
    Effect.scoped,
    Effect.catchIf(
      ({ cause }) => (cause as NodeJS.ErrnoException | undefined)?.code === "EEXIST",
      () => Effect.void,
    ),
  )
