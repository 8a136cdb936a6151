import { existsSync, linkSync, renameSync } from "node:fs"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { SIDE_FILES } from "./copyStoreFile.ts"
import { isBusy, openStoreFile, PATIENCE_MILLIS, readDamage } from "./storeFileQueries.ts"

const RETRY_MILLIS = 50

/** Puts the draft in the place of a store that cannot be opened or is damaged; its side files go with it. */
const replaceAsItIs = (database: string, draft: string, replaced: string) =>
  Effect.try(() => {
    linkSync(database, replaced)
    for (const suffix of SIDE_FILES) {
      if (existsSync(database + suffix)) renameSync(database + suffix, replaced + suffix)
    }
    renameSync(draft, database)
  })

/**
 * Puts the draft in the place of a store that others use. Out of WAL mode and under an exclusive lock the store is one
 * file, and a process that has it open still, and writes after the lock is gone, is refused by SQLite because the file was
 * moved; a hook then spools its call.
 */
const replaceInUse = (client: SqliteClient.SqliteClient, database: string, draft: string, replaced: string) =>
  Effect.gen(function* () {
    yield* client`PRAGMA journal_mode = DELETE`
    yield* client`BEGIN EXCLUSIVE`
    yield* Effect.try(() => {
      linkSync(database, replaced)
      renameSync(draft, database)
    })
    yield* client`COMMIT`
  }).pipe(
    Effect.tapError(() =>
      Effect.ignore(Effect.zipRight(Effect.ignore(client`ROLLBACK`), client`PRAGMA journal_mode = WAL`)),
    ),
    // To leave WAL mode SQLite does not wait for others to close the store, as hooks soon do.
    Effect.retry({ while: isBusy, schedule: Schedule.spaced(RETRY_MILLIS), times: PATIENCE_MILLIS / RETRY_MILLIS }),
  )

const isWhole = (client: SqliteClient.SqliteClient) =>
  Effect.map(readDamage(client), (damage) => damage.length === 0).pipe(
    Effect.catchIf(
      (error) => !isBusy(error),
      () => Effect.succeed(false),
    ),
  )

/** Closing a connection that may write would tidy up the WAL of a damaged store, so that is looked at by one that may not. */
export const replaceStoreFile = (database: string, draft: string, replaced: string) =>
  Effect.gen(function* () {
    const whole = yield* openStoreFile(database, { readonly: true }).pipe(
      Effect.flatMap(isWhole),
      Effect.scoped,
      Effect.catchAllDefect(() => Effect.succeed(false)),
    )
    if (!whole) return yield* replaceAsItIs(database, draft, replaced)
    yield* Effect.scoped(
      Effect.flatMap(openStoreFile(database), (client) => replaceInUse(client, database, draft, replaced)),
    )
  })
