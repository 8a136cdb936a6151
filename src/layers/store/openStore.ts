import { chmodSync, existsSync, statSync } from "node:fs"
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { DamagedStore, PersistenceError, StoreMissing } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { makeHomeFolder } from "../files/HomeLive.ts"
import { checkDriver, isWholeByHeader } from "./checkFile.ts"
import {
  bringUpToDate,
  type ConnectionOptions,
  commandConnection,
  connectReadOnly,
  connectSqlite,
  latestMigration,
  opening,
} from "./connect.ts"
import { createStoreFile } from "./createStore.ts"
import { onDemand } from "./onDemand.ts"

export interface SqliteOptions extends ConnectionOptions {
  /** What to do if there is no store yet. */
  readonly whenMissing: "create" | "fail"
  /** Leaves it to an import that is running to write the WAL back, for as long as the store is open. */
  readonly yieldsToImport?: boolean
}

/** Longer than hooks leave a WAL, in bytes. */
const LONG_WAL_BYTES = 4_000_000

/** Twice as many as an import leaves in a WAL: an import that is stopped but holds its lock must not let it grow for ever. */
const MOST_PAGES = 2 * commandConnection.checkpointPages

const homeLocks = onDemand(() => import("../files/lock.ts"))

/**
 * Whether an import fills the WAL. The import writes it back itself. A hook that did so would take a tenth of a second or more,
 * while its agent waits.
 */
const isFilledByImport = ({ directory, database }: Context.Tag.Service<Home>): Effect.Effect<boolean> =>
  Effect.suspend(() =>
    (statSync(`${database}-wal`, { throwIfNoEntry: false })?.size ?? 0) > LONG_WAL_BYTES
      ? Effect.map(homeLocks, ({ isHomeLockHeld }) => isHomeLockHeld(directory, "import"))
      : Effect.succeed(false),
  )

const unusable = (filename: string, cause: string) =>
  new PersistenceError({ operation: `use the store ${filename}`, reason: "unavailable", cause })

/** The newest migration that ran; 0 if the database has another program's `tool_usage_events` and none of our migrations. */
const readSchema = (client: SqliteClient.SqliteClient, filename: string) =>
  client`SELECT max(migration_id) AS latest FROM tooltrail_migrations`.pipe(
    Effect.map(([row]) => Number(row?.latest ?? 0)),
    Effect.catchTag("SqlError", (error) =>
      Effect.gen(function* () {
        const tables = yield* client`
          SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('tooltrail_migrations', 'tool_usage_events')`
        if (tables.some(({ name }) => name === "tooltrail_migrations")) return yield* error
        return tables.length === 1 ? 0 : yield* unusable(filename, "it is a database of another program")
      }),
    ),
  )

/** Fails unless the file is a store of ours that this program can write. */
const checkVersion = (client: SqliteClient.SqliteClient, filename: string) =>
  Effect.gen(function* () {
    const latest = yield* readSchema(client, filename)
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

const cutShort = new DamagedStore({ message: "it is cut short" })

/**
 * A process that is killed while it writes the WAL back leaves a file that is short, but whole together with the WAL. The check
 * opens it read-only, because SQLite writes the WAL back when it closes.
 */
const checkWithWal = (filename: string) =>
  Effect.gen(function* () {
    // From a journal, SQLite restores the file as it was before the write.
    if (existsSync(`${filename}-journal`)) return
    if (!existsSync(`${filename}-wal`)) return yield* cutShort
    const client = yield* connectReadOnly(filename)
    const [row] = yield* client`PRAGMA quick_check(1)`
    if (row?.quick_check !== "ok") return yield* cutShort
  }).pipe(Effect.scoped)

/** Opens the store in the home folder, made first if that is wanted, and brings its schema up to date. */
export const openSqlite = (
  options: SqliteOptions,
): Effect.Effect<SqliteClient.SqliteClient, PersistenceError | StoreMissing, Home | Scope.Scope> =>
  Effect.gen(function* () {
    const home = yield* Home
    const filename = home.database
    const inStore = opening(`use the store ${filename}`)
    const file = yield* inStore(Effect.try(() => statSync(filename, { throwIfNoEntry: false })))
    if (file === undefined) {
      if (options.whenMissing === "fail") {
        yield* checkDriver
        return yield* new StoreMissing({ path: filename })
      }
      yield* opening(`make the folder ${home.directory}`)(Effect.try(() => makeHomeFolder(home.directory)))
      yield* opening(`create the store ${filename}`)(createStoreFile(filename))
    }
    const isWhole = file === undefined || (yield* inStore(Effect.try(() => isWholeByHeader(filename, file.size))))
    if (!isWhole) yield* inStore(checkWithWal(filename))
    const isLeft = options.yieldsToImport === true && (yield* inStore(isFilledByImport(home)))
    const client = yield* inStore(
      connectSqlite(filename, isLeft ? { ...options, checkpointPages: MOST_PAGES } : options),
    )
    yield* inStore(checkVersion(client, filename))
    return client
  })

/** Opens an empty database in memory, with the same schema. */
export const openSqliteInMemory: Effect.Effect<SqliteClient.SqliteClient, PersistenceError, Scope.Scope> = Effect.gen(
  function* () {
    const client = yield* connectSqlite(":memory:", { busyTimeoutMillis: 0, checkpointPages: 0 })
    yield* bringUpToDate(client)
    return client
  },
).pipe(opening("make a store in memory"))

/** The database of the home folder by itself. */
export const SqliteLive = (
  options: SqliteOptions,
): Layer.Layer<SqlClient.SqlClient, PersistenceError | StoreMissing, Home> =>
  Layer.scoped(SqlClient.SqlClient, openSqlite(options))

/** An empty database in memory by itself. */
export const SqliteMemory: Layer.Layer<SqlClient.SqlClient, PersistenceError> = Layer.scoped(
  SqlClient.SqlClient,
  openSqliteInMemory,
)
