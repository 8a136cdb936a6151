import { chmodSync, closeSync, copyFileSync, existsSync, linkSync, openSync, renameSync, rmSync } from "node:fs"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { syncFile } from "../files/syncToDisk.ts"
import { latestMigration } from "./latestMigration.ts"
import { countCalls, isTable, openStoreFile, readDamage, readSchema } from "./storeFileQueries.ts"

const OLDEST_SCHEMA = 16

/** What SQLite keeps beside a store in use. */
export const SIDE_FILES = ["-wal", "-shm"]

/** Gives a whole draft its name, unless there is a file of that name. Not every file system knows hard links. */
export const publish = (draft: string, path: string): void => {
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" || existsSync(path)) throw error
    renameSync(draft, path)
  }
}

/** A file of its own next to `path`, for the owner only, that is gone afterwards unless it was renamed. */
export const makeDraft = (path: string) =>
  Effect.acquireRelease(
    Effect.flatMap(Clock.currentTimeMillis, (millis) =>
      Effect.try(() => {
        const draft = `${path}.new-${process.pid}-${millis.toString(36)}`
        closeSync(openSync(draft, "wx", 0o600))
        return draft
      }),
    ),
    (draft) =>
      Effect.sync(() => {
        for (const suffix of ["", "-journal", ...SIDE_FILES]) rmSync(draft + suffix, { force: true })
      }),
  )

/**
 * Copies what is committed at this moment. The open read transaction keeps one state of the store in sight; without it each
 * write of another process would make the copy begin anew.
 */
export const copyOnline = (client: SqliteClient.SqliteClient, draft: string) =>
  Effect.gen(function* () {
    yield* client`BEGIN`
    yield* client`SELECT count(*) FROM sqlite_master`
    yield* client.backup(draft)
    yield* client`COMMIT`
  })

/** Checks a copy and leaves it as one file in this journal mode, on the disk. Returns how many calls it holds. */
export const settleCopy = (
  draft: string,
  journalMode: "WAL" | "DELETE",
  onFault: (why: string) => Effect.Effect<never, PersistenceError>,
) =>
  Effect.gen(function* () {
    const calls = yield* Effect.scoped(
      Effect.gen(function* () {
        const client = yield* openStoreFile(draft)
        if (!(yield* isTable(client, ["effect_sql_migrations", "tool_registry", "tool_usage_events"]))) {
          return yield* onFault("it is not a tooltrail store")
        }
        const schema = yield* readSchema(client)
        if (schema > latestMigration || schema < OLDEST_SCHEMA) {
          const known = `this program knows ${OLDEST_SCHEMA} to ${latestMigration}`
          return yield* onFault(`it has schema ${schema}, ${known}`)
        }
        const [finding] = yield* readDamage(client)
        if (finding !== undefined) return yield* onFault(`it is damaged (${finding})`)
        yield* client`PRAGMA journal_mode = ${client.literal(journalMode)}`
        return yield* countCalls(client)
      }),
    )
    yield* Effect.try(() => syncFile(draft))
    return calls
  })

/** Copies a store that may be in use into a draft; the store's own file stays as it is. */
export const copyStore = (path: string, draft: string) =>
  Effect.gen(function* () {
    if ([...SIDE_FILES, "-journal"].some((suffix) => existsSync(path + suffix))) {
      const client = yield* openStoreFile(path, { readonly: true })
      return yield* copyOnline(client, draft)
    }
    yield* Effect.try(() => {
      copyFileSync(path, draft)
      chmodSync(draft, 0o600)
    })
  }).pipe(Effect.scoped)
