import type * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** How long a statement, and a restore, waits for others to let go of the store. */
export const PATIENCE_MILLIS = 5000

/** Opens a store's file to look at it or to copy it; it is taken as it is, and no schema is brought up to date. */
export const openStoreFile = (
  filename: string,
  options: { readonly readonly?: boolean } = {},
): Effect.Effect<SqliteClient.SqliteClient, never, Scope.Scope | Reactivity.Reactivity> =>
  SqliteClient.make({ filename, disableWAL: true, ...options }).pipe(
    Effect.tap((client) => Effect.orDie(client`PRAGMA busy_timeout = ${client.literal(String(PATIENCE_MILLIS))}`)),
  )

export const readSchema = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT max(migration_id) AS latest FROM effect_sql_migrations`, (rows) =>
    Number(rows[0]?.latest ?? 0),
  )

/** With what is in the WAL only. */
export const readBytes = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size`, (rows) =>
    Number(rows[0]?.bytes),
  )

export const readDamage = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`PRAGMA integrity_check(10)`, (rows) =>
    rows.map((row) => String(row.integrity_check)).filter((finding) => finding !== "ok"),
  )

export const countCalls = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT count(*) AS calls FROM tool_usage_events`, (rows) => Number(rows[0]?.calls))

export const isTable = (client: SqliteClient.SqliteClient, names: ReadonlyArray<string>) =>
  Effect.map(
    client`SELECT name FROM sqlite_master WHERE type = 'table' AND ${client.in("name", names)}`,
    (rows) => rows.length === names.length,
  )

export const isBusy = ({ cause }: { readonly cause?: unknown }) =>
  /^SQLITE_(BUSY|LOCKED)/.test(String((cause as { code?: unknown } | undefined)?.code))
