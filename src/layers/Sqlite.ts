import { closeSync, linkSync, openSync, rmSync, statSync } from "node:fs"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../domain/PersistenceError.ts"
import { StoreMissing } from "../domain/StoreMissing.ts"
import { Home } from "../services/Home.ts"
import { failingTo } from "./failingTo.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { latestMigration, migrate } from "./Migrations.ts"
import { withImmediateTransaction } from "./withImmediateTransaction.ts"

export interface SqliteOptions {
  /** How long one statement waits for a lock, in milliseconds. The wait blocks the process. */
  readonly busyTimeoutMillis: number
  /** What to do where there is no store yet. */
  readonly whenMissing: "create" | "fail"
}

/** An open that fails, and a migration that fails, are defects in the SQL client; here they are a store that cannot be used. */
const opening =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, PersistenceError, R> =>
    effect.pipe(Effect.catchAllDefect(Effect.fail), failingTo(operation))

const unusable = (filename: string, cause: string) =>
  new PersistenceError({ operation: `use the store ${filename}`, cause })

const bringUpToDate = (client: SqliteClient.SqliteClient) =>
  migrate.pipe(Effect.provideService(SqlClient.SqlClient, client), withImmediateTransaction(client))

const open = (filename: string, busyTimeoutMillis: number) =>
  Effect.gen(function* () {
    // A store is put into WAL mode when it is created, and stays in it.
    const client = yield* SqliteClient.make({ filename, disableWAL: true })
    yield* client`PRAGMA busy_timeout = ${client.literal(String(Math.trunc(busyTimeoutMillis)))}`
    yield* client`PRAGMA synchronous = NORMAL`
    return client
  })

/**
 * A new store is made under a name of its own, and gets its real one when it is whole, unless another process was first.
 * So nobody ever meets a half-made store.
 */
const create = (filename: string) =>
  Effect.acquireUseRelease(
    Effect.try(() => {
      const draft = `${filename}.new-${process.pid}-${Date.now().toString(36)}`
      closeSync(openSync(draft, "wx", 0o600))
      return draft
    }),
    (draft) =>
      Effect.gen(function* () {
        const client = yield* open(draft, 0)
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
    if (latest < latestMigration) yield* bringUpToDate(client)
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
      yield* opening(`create the store ${filename}`)(create(filename))
    }
    const client = yield* inStore(open(filename, options.busyTimeoutMillis))
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
      const client = yield* open(":memory:", 0)
      yield* bringUpToDate(client)
      return clients(client)
    }).pipe(opening("make a store in memory")),
  ).pipe(Layer.provide(Reactivity.layer))
