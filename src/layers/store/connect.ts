import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"
import { onDemand } from "./onDemand.ts"

/** An open that fails, and a migration that fails, are defects in the SQL client; here they make the store unavailable. */
export const opening =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, PersistenceError, R> =>
    effect.pipe(
      Effect.catchAllDefect(Effect.fail),
      Effect.mapError((cause) =>
        cause instanceof PersistenceError ? cause : new PersistenceError({ operation, reason: "unavailable", cause }),
      ),
    )

const connect = (file: { readonly filename: string; readonly readonly?: boolean }) =>
  SqliteClient.make({ ...file, disableWAL: true }).pipe(
    Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make),
  )

/** Opens a database file that is there, and changes nothing in it. */
export const connectReadOnly = (filename: string) => connect({ filename, readonly: true })

export interface ConnectionOptions {
  /** How long one statement waits for a lock, in milliseconds. The wait blocks the process. */
  readonly busyTimeoutMillis: number
  /** How long the WAL grows, in pages of 4 KiB, until a commit writes it back into the database, which syncs twice. */
  readonly checkpointPages: number
}

/**
 * What commands open a store with. They may wait, and may write much: larger pieces (80 MB) are written back less often. What is
 * left at the end is written back too, or a hook would have to, if others keep the store open.
 */
export const commandConnection: ConnectionOptions = { busyTimeoutMillis: 5000, checkpointPages: 20_000 }

/**
 * Opens a database file that is in WAL mode already, or a new one. In WAL mode better-sqlite3 is built to sync as
 * `synchronous = NORMAL` says, which loses nothing when a process ends, however it ends.
 */
export const connectSqlite = (filename: string, options: ConnectionOptions) =>
  Effect.gen(function* () {
    const client = yield* connect({ filename })
    yield* client`PRAGMA busy_timeout = ${client.literal(String(Math.trunc(options.busyTimeoutMillis)))}`
    yield* client`PRAGMA wal_autocheckpoint = ${client.literal(String(Math.trunc(options.checkpointPages)))}`
    if (options.checkpointPages >= commandConnection.checkpointPages) {
      yield* Effect.addFinalizer(() => Effect.ignoreLogged(client`PRAGMA wal_checkpoint(PASSIVE)`))
    }
    return client
  })

const migrations = onDemand(() => import("./migrations.ts"))

/** Runs the migrations that are missing, one process at a time. */
export const bringUpToDate = (client: SqliteClient.SqliteClient) =>
  Effect.flatMap(migrations, ({ migrate }) =>
    migrate.pipe(Effect.provideService(SqlClient.SqlClient, client), withImmediateTransaction(client)),
  )

/** The schema version that this program reads and writes: the number of the newest migration. */
export const latestMigration = 19
