import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../domain/PersistenceError.ts"
import { onDemand } from "./onDemand.ts"
import { withImmediateTransaction } from "./withImmediateTransaction.ts"

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

/** A hook leaves its writes in the WAL; whoever opens the store next reads all of it, so it is kept small. */
const CHECKPOINT_PAGES = 200

const connect = (file: { readonly filename: string; readonly readonly?: boolean }) =>
  SqliteClient.make({ ...file, disableWAL: true }).pipe(
    Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make),
  )

/** Opens a database file that is there, and changes nothing in it. */
export const connectReadOnly = (filename: string) => connect({ filename, readonly: true })

/** Opens a database file that is in WAL mode already, or a new one. `busyTimeoutMillis`: how long a statement waits for a lock. */
export const connectSqlite = (filename: string, busyTimeoutMillis: number) =>
  Effect.gen(function* () {
    const client = yield* connect({ filename })
    yield* client`PRAGMA busy_timeout = ${client.literal(String(Math.trunc(busyTimeoutMillis)))}`
    yield* client`PRAGMA synchronous = NORMAL`
    yield* client`PRAGMA wal_autocheckpoint = ${client.literal(String(CHECKPOINT_PAGES))}`
    return client
  })

const migrations = onDemand(() => import("./Migrations.ts"))

/** Runs the migrations that are missing, one process at a time. */
export const bringUpToDate = (client: SqliteClient.SqliteClient) =>
  Effect.flatMap(migrations, ({ migrate }) =>
    migrate.pipe(Effect.provideService(SqlClient.SqlClient, client), withImmediateTransaction(client)),
  )
