import { chmodSync, statSync } from "node:fs"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../domain/PersistenceError.ts"
import { StoreMissing } from "../domain/StoreMissing.ts"
import { Home } from "../services/Home.ts"
import { bringUpToDate, connectSqlite, opening } from "./connectSqlite.ts"
import { createStoreFile } from "./createStoreFile.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { latestMigration } from "./Migrations.ts"

export interface SqliteOptions {
  /** How long one statement waits for a lock, in milliseconds. The wait blocks the process. */
  readonly busyTimeoutMillis: number
  /** What to do where there is no store yet. */
  readonly whenMissing: "create" | "fail"
}

const unusable = (filename: string, cause: string) =>
  new PersistenceError({ operation: `use the store ${filename}`, reason: "unavailable", cause })

/** Fails unless the file is a store of ours that this program can write. */
const checkVersion = (client: SqliteClient.SqliteClient, filename: string) =>
  Effect.gen(function* () {
    const rows = yield* client`SELECT max(migration_id) AS latest FROM effect_sql_migrations`
    const latest = Number(rows[0]?.latest ?? 0)
    if (latest > latestMigration) {
      return yield* unusable(
        filename,
        `it has schema ${latest}, this program knows up to ${latestMigration}; update tooltrail`,
      )
    }
    if (latest < latestMigration) {
      yield* client`PRAGMA journal_mode = WAL`
      yield* Effect.try(() => chmodSync(filename, 0o600))
      yield* bringUpToDate(client)
    }
  })

const openStore = (options: SqliteOptions) =>
  Effect.gen(function* () {
    const home = yield* Home
    const filename = home.database
    const inStore = opening(`use the store ${filename}`)
    const file = yield* inStore(Effect.try(() => statSync(filename, { throwIfNoEntry: false })))
    if (file?.size === 0) return yield* unusable(filename, "it is empty")
    if (file === undefined) {
      if (options.whenMissing === "fail") return yield* new StoreMissing({ path: filename })
      yield* opening(`make the folder ${home.directory}`)(Effect.try(() => makeHomeFolder(home.directory)))
      yield* opening(`create the store ${filename}`)(createStoreFile(filename))
    }
    const client = yield* inStore(connectSqlite(filename, options.busyTimeoutMillis))
    yield* inStore(checkVersion(client, filename))
    return clients(client)
  })

const clients = (client: SqliteClient.SqliteClient) =>
  Context.make(SqliteClient.SqliteClient, client).pipe(Context.add(SqlClient.SqlClient, client))

/** The store in the home folder, with its schema up to date. */
export const SqliteLive = (
  options: SqliteOptions,
): Layer.Layer<SqlClient.SqlClient | SqliteClient.SqliteClient, PersistenceError | StoreMissing, Home> =>
  Layer.scopedContext(openStore(options)).pipe(Layer.provide(Reactivity.layer))

/** An empty store in memory, made by the same migrations. */
export const SqliteMemory: Layer.Layer<SqlClient.SqlClient | SqliteClient.SqliteClient, PersistenceError> =
  Layer.scopedContext(
    Effect.gen(function* () {
      const client = yield* connectSqlite(":memory:", 0)
      yield* bringUpToDate(client)
      return clients(client)
    }).pipe(opening("make a store in memory")),
  ).pipe(Layer.provide(Reactivity.layer))
