import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
} from "node:fs"
import { join, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { DamagedStore, findDamage, PersistenceError, StoreMissing } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { publish, syncFile } from "../files/atomicFile.ts"
import { makeDraft } from "../files/draft.ts"
import { makeHomeFolder } from "../files/HomeLive.ts"
import { BACKUPS, backupFile, replacedFile, SIDE_FILES } from "../files/ownedFiles.ts"
import { checkDriver } from "./checkFile.ts"
import { latestMigration } from "./connect.ts"

const OLDEST_SCHEMA = 16

/** How long a statement or a restore waits until others release the store. */
const PATIENCE_MILLIS = 5000
const RETRY_MILLIS = 50

/** Opens a store's file to look at it or to copy it; its schema stays as it is. */
const openStoreFile = (
  filename: string,
  options: { readonly readonly?: boolean } = {},
): Effect.Effect<SqliteClient.SqliteClient, never, Scope.Scope | Reactivity.Reactivity> =>
  SqliteClient.make({ filename, disableWAL: true, ...options }).pipe(
    Effect.tap((client) => Effect.orDie(client`PRAGMA busy_timeout = ${client.literal(String(PATIENCE_MILLIS))}`)),
  )

const readSchema = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT max(migration_id) AS latest FROM tooltrail_migrations`, (rows) =>
    Number(rows[0]?.latest ?? 0),
  )

/** Includes what is only in the WAL. */
const readBytes = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size`, (rows) =>
    Number(rows[0]?.bytes),
  )

const readDamage = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`PRAGMA integrity_check(10)`, (rows) =>
    rows.map((row) => String(row.integrity_check)).filter((finding) => finding !== "ok"),
  )

const countCalls = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT count(*) AS calls FROM tool_usage_events`, (rows) => Number(rows[0]?.calls))

const hasTables = (client: SqliteClient.SqliteClient, names: ReadonlyArray<string>) =>
  Effect.map(
    client`SELECT name FROM sqlite_master WHERE type = 'table' AND ${client.in("name", names)}`,
    (rows) => rows.length === names.length,
  )

const codeOf = (error: unknown): string =>
  error instanceof Error ? ("code" in error ? String(error.code) : codeOf(error.cause)) : ""

const isBusy = (error: unknown) => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error))

/** Whether the file cannot be read as a database: by its content, or because the disk fails. */
const isUnreadable = (error: unknown) => findDamage(error) !== undefined || codeOf(error).startsWith("SQLITE_IOERR")

/**
 * Copies what is committed at this moment. The open read transaction holds on to one state of the store; without it each
 * write of another process would make the copy start again.
 */
const copyOnline = (client: SqliteClient.SqliteClient, draft: string) =>
  Effect.gen(function* () {
    yield* client`BEGIN`
    yield* client`SELECT count(*) FROM sqlite_master`
    yield* client.backup(draft)
    yield* client`COMMIT`
  })

/** Copies a store that may be in use into a draft; the store's own file stays as it is. */
const copyStore = (path: string, draft: string) =>
  Effect.gen(function* () {
    if (SIDE_FILES.some((suffix) => existsSync(path + suffix))) {
      const client = yield* openStoreFile(path, { readonly: true })
      return yield* copyOnline(client, draft)
    }
    yield* Effect.try(() => {
      copyFileSync(path, draft)
      chmodSync(draft, 0o600)
    })
  }).pipe(Effect.scoped)

/** Checks a copy and leaves it as one file in this journal mode, on the disk. Returns how many calls it holds. */
const verifyCopy = (
  draft: string,
  journalMode: "WAL" | "DELETE",
  onFault: (why: string) => Effect.Effect<never, PersistenceError>,
) =>
  Effect.gen(function* () {
    const calls = yield* Effect.scoped(
      Effect.gen(function* () {
        const client = yield* openStoreFile(draft)
        if (!(yield* hasTables(client, ["tooltrail_migrations", "tool_registry", "tool_usage_events"]))) {
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

/** Puts the draft in the place of a store that cannot be read. The store's side files are kept with it. */
const replaceUnreadable = (database: string, draft: string, replaced: string) =>
  Effect.try(() => {
    publish(database, replaced)
    for (const suffix of SIDE_FILES) {
      if (existsSync(database + suffix)) renameSync(database + suffix, replaced + suffix)
    }
    renameSync(draft, database)
  })

/**
 * Puts the draft in the place of a store that others use. Out of WAL mode and under an exclusive lock the store is one
 * file. A process that still has it open, and writes after the lock is gone, is refused by SQLite because the file was
 * moved; a hook then spools its call.
 */
const replaceInUse = (client: SqliteClient.SqliteClient, database: string, draft: string, replaced: string) =>
  Effect.gen(function* () {
    yield* client`PRAGMA journal_mode = DELETE`
    yield* client`BEGIN EXCLUSIVE`
    yield* Effect.try(() => {
      publish(database, replaced)
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

/** A connection that may write would, when it closes, write the WAL into a damaged store; so the check only reads. */
const replaceStore = (database: string, draft: string, replaced: string) =>
  Effect.gen(function* () {
    const isWhole = yield* openStoreFile(database, { readonly: true }).pipe(
      Effect.flatMap(readDamage),
      Effect.scoped,
      Effect.catchAllDefect(Effect.fail),
      Effect.map((damage) => damage.length === 0),
      Effect.catchIf(isUnreadable, () => Effect.succeed(false)),
    )
    if (!isWhole) return yield* replaceUnreadable(database, draft, replaced)
    yield* Effect.scoped(
      Effect.flatMap(openStoreFile(database), (client) => replaceInUse(client, database, draft, replaced)),
    )
  })

const failed = (operation: string, reason: "unavailable" | "rejected") => (cause: unknown) =>
  cause instanceof PersistenceError ? cause : new PersistenceError({ operation, reason, cause })

/** An open that fails is a defect in the SQL client. */
const doing =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, PersistenceError | Extract<E, StoreMissing>, R> =>
    effect.pipe(
      Effect.catchAllDefect((defect) => Effect.fail(defect)),
      Effect.mapError((cause) =>
        cause instanceof StoreMissing ? (cause as Extract<E, StoreMissing>) : failed(operation, "unavailable")(cause),
      ),
    )

const refuse = (operation: string, why: string | DamagedStore) => Effect.fail(failed(operation, "rejected")(why))

const isSameFile = (a: string, b: string): boolean =>
  existsSync(a) && existsSync(b) && realpathSync.native(a) === realpathSync.native(b)

const make = Effect.gen(function* () {
  const home = yield* Home
  const reactivity = yield* Reactivity.Reactivity
  const backups = join(home.directory, BACKUPS)
  const withReactivity = Effect.provideService(Reactivity.Reactivity, reactivity)

  const present = Effect.gen(function* () {
    yield* checkDriver
    const file = yield* Effect.try(() => statSync(home.database, { throwIfNoEntry: false }))
    if (file === undefined) return yield* new StoreMissing({ path: home.database })
    if (file.size === 0)
      return yield* refuse(`use the store ${home.database}`, new DamagedStore({ message: "it is empty" }))
  })

  const identifyBy = (client: SqliteClient.SqliteClient) =>
    Effect.gen(function* () {
      return { bytes: yield* readBytes(client), schema: yield* readSchema(client), programSchema: latestMigration }
    })

  /** Opens the file to be looked at. */
  const looking = <A, E>(look: (client: SqliteClient.SqliteClient) => Effect.Effect<A, E>) =>
    present.pipe(
      Effect.zipRight(openStoreFile(home.database, { readonly: true })),
      Effect.flatMap(look),
      Effect.scoped,
      withReactivity,
      doing(`check the store ${home.database}`),
    )

  return StoreFile.of({
    identify: looking(identifyBy),

    inspect: looking((client) =>
      Effect.gen(function* () {
        const damage = yield* readDamage(client)
        return { ...(yield* identifyBy(client)), damage }
      }),
    ),

    backup: Effect.fn("StoreFile.backup")(function* (chosen) {
      const now = yield* Clock.currentTimeMillis
      const path = resolve(Option.getOrElse(chosen, () => join(backups, backupFile(now))))
      const operation = `back the store up to ${path}`
      yield* Effect.gen(function* () {
        yield* present
        if (Option.isNone(chosen)) yield* Effect.try(() => mkdirSync(backups, { recursive: true, mode: 0o700 }))
        const file = yield* Effect.try(() => statSync(path, { throwIfNoEntry: false }))
        if (file?.isDirectory()) return yield* refuse(operation, "it is a folder; name a file in it")
        if (file !== undefined) return yield* refuse(operation, "it already exists")
        const draft = yield* makeDraft(path)
        yield* Effect.scoped(Effect.flatMap(openStoreFile(home.database), (client) => copyOnline(client, draft)))
        yield* verifyCopy(draft, "DELETE", (why) => refuse(operation, `the store cannot be copied: ${why}`))
        yield* Effect.try(() => publish(draft, path))
      }).pipe(Effect.scoped, withReactivity, doing(operation))
      return path
    }),

    restore: Effect.fn("StoreFile.restore")(function* (given) {
      const path = resolve(given)
      const operation = `restore ${path}`
      const replaced = join(home.directory, replacedFile(yield* Clock.currentTimeMillis))
      return yield* Effect.gen(function* () {
        yield* checkDriver
        const source = yield* Effect.try(() => statSync(path))
        if (!source.isFile()) return yield* refuse(operation, "it is not a file")
        if (isSameFile(path, home.database)) return yield* refuse(operation, "it is the current store")
        yield* Effect.try(() => makeHomeFolder(home.directory))
        if (existsSync(replaced)) return yield* refuse(operation, `${replaced} already exists`)
        const draft = yield* makeDraft(home.database)
        yield* copyStore(path, draft)
        const calls = yield* verifyCopy(draft, "WAL", (why) => refuse(operation, why))
        if (!existsSync(home.database)) {
          yield* Effect.try(() => publish(draft, home.database))
          return { calls, replaced: Option.none<string>() }
        }
        yield* replaceStore(home.database, draft, replaced)
        return { calls, replaced: Option.some(replaced) }
      }).pipe(Effect.scoped, withReactivity, doing(operation))
    }),

    newestBackup: Effect.try(() => {
      const files = readdirSync(backups)
        .filter((name) => name.endsWith(".db"))
        .map((name) => join(backups, name))
        .map((path) => ({ path, time: statSync(path).mtimeMs }))
        .sort((a, b) => b.time - a.time || (a.path < b.path ? 1 : -1))
      return Option.map(Option.fromNullable(files[0]), ({ path }) => path)
    }).pipe(Effect.orElseSucceed(() => Option.none())),
  })
})

/** The store as the SQLite file in the home folder. */
export const StoreFileSqlite: Layer.Layer<StoreFile, never, Home> = Layer.effect(StoreFile, make).pipe(
  Layer.provide(Reactivity.layer),
)
