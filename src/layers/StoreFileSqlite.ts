import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
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
import { PersistenceError } from "../domain/PersistenceError.ts"
import { StoreMissing } from "../domain/StoreMissing.ts"
import { Home } from "../services/Home.ts"
import { StoreFile } from "../services/StoreFile.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { latestMigration } from "./latestMigration.ts"

const OLDEST_SCHEMA = 16
const PATIENCE_MILLIS = 5000
const RETRY_MILLIS = 50

const SIDE_FILES = ["-wal", "-shm"]

/** `20260131-235959`, in UTC. */
const compactTime = Effect.map(Clock.currentTimeMillis, (millis) =>
  new Date(millis).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-"),
)

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

const refuse = (operation: string, why: string) => Effect.fail(failed(operation, "rejected")(why))

const open = (
  filename: string,
  options: { readonly readonly?: boolean } = {},
): Effect.Effect<SqliteClient.SqliteClient, never, Scope.Scope | Reactivity.Reactivity> =>
  SqliteClient.make({ filename, disableWAL: true, ...options }).pipe(
    Effect.tap((client) => Effect.orDie(client`PRAGMA busy_timeout = ${client.literal(String(PATIENCE_MILLIS))}`)),
  )

const readSchema = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT max(migration_id) AS latest FROM effect_sql_migrations`, (rows) =>
    Number(rows[0]?.latest ?? 0),
  )

const readDamage = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`PRAGMA integrity_check(10)`, (rows) =>
    rows.map((row) => String(row.integrity_check)).filter((finding) => finding !== "ok"),
  )

const countCalls = (client: SqliteClient.SqliteClient) =>
  Effect.map(client`SELECT count(*) AS calls FROM tool_usage_events`, (rows) => Number(rows[0]?.calls))

const isTable = (client: SqliteClient.SqliteClient, names: ReadonlyArray<string>) =>
  Effect.map(
    client`SELECT name FROM sqlite_master WHERE type = 'table' AND ${client.in("name", names)}`,
    (rows) => rows.length === names.length,
  )

const syncFile = (path: string): void => {
  const file = openSync(path, "r+")
  fsyncSync(file)
  closeSync(file)
}

/** Gives a whole draft its name, unless there is a file of that name. Not every file system knows hard links. */
const publish = (draft: string, path: string): void => {
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" || existsSync(path)) throw error
    renameSync(draft, path)
  }
}

/** A file of its own next to `path`, for the owner only, that is gone afterwards unless it was renamed. */
const makeDraft = (path: string) =>
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
const copyOnline = (client: SqliteClient.SqliteClient, draft: string) =>
  Effect.gen(function* () {
    yield* client`BEGIN`
    yield* client`SELECT count(*) FROM sqlite_master`
    yield* client.backup(draft)
    yield* client`COMMIT`
  })

/** Checks a copy and leaves it as one file in this journal mode, on the disk. Returns how many calls it holds. */
const settleCopy = (
  draft: string,
  journalMode: "WAL" | "DELETE",
  onFault: (why: string) => Effect.Effect<never, PersistenceError>,
) =>
  Effect.gen(function* () {
    const calls = yield* Effect.scoped(
      Effect.gen(function* () {
        const client = yield* open(draft)
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
const copyStore = (path: string, draft: string) =>
  Effect.gen(function* () {
    if ([...SIDE_FILES, "-journal"].some((suffix) => existsSync(path + suffix))) {
      const client = yield* open(path, { readonly: true })
      return yield* copyOnline(client, draft)
    }
    yield* Effect.try(() => {
      copyFileSync(path, draft)
      chmodSync(draft, 0o600)
    })
  }).pipe(Effect.scoped)

const isBusy = ({ cause }: { readonly cause?: unknown }) =>
  /^SQLITE_(BUSY|LOCKED)/.test(String((cause as { code?: unknown } | undefined)?.code))

const isSameFile = (a: string, b: string): boolean =>
  existsSync(a) && existsSync(b) && realpathSync.native(a) === realpathSync.native(b)

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
const replace = (database: string, draft: string, replaced: string) =>
  Effect.gen(function* () {
    const whole = yield* open(database, { readonly: true }).pipe(
      Effect.flatMap(isWhole),
      Effect.scoped,
      Effect.catchAllDefect(() => Effect.succeed(false)),
    )
    if (!whole) return yield* replaceAsItIs(database, draft, replaced)
    yield* Effect.scoped(Effect.flatMap(open(database), (client) => replaceInUse(client, database, draft, replaced)))
  })

const make = Effect.gen(function* () {
  const home = yield* Home
  const reactivity = yield* Reactivity.Reactivity
  const backups = join(home.directory, "backups")
  const withReactivity = Effect.provideService(Reactivity.Reactivity, reactivity)

  const present = Effect.gen(function* () {
    const file = yield* Effect.try(() => statSync(home.database, { throwIfNoEntry: false }))
    if (file === undefined) return yield* new StoreMissing({ path: home.database })
    if (file.size === 0) return yield* refuse(`use the store ${home.database}`, "it is empty")
  })

  return StoreFile.of({
    inspect: present.pipe(
      Effect.zipRight(open(home.database, { readonly: true })),
      Effect.flatMap((client) =>
        Effect.gen(function* () {
          const damage = yield* readDamage(client)
          return { schema: yield* readSchema(client), programSchema: latestMigration, damage }
        }),
      ),
      Effect.scoped,
      withReactivity,
      doing(`check the store ${home.database}`),
    ),

    backup: Effect.fn("StoreFile.backup")(function* (chosen) {
      const path = resolve(Option.isSome(chosen) ? chosen.value : join(backups, `tooltrail-${yield* compactTime}.db`))
      const operation = `back the store up to ${path}`
      yield* Effect.gen(function* () {
        yield* present
        if (Option.isNone(chosen)) yield* Effect.try(() => mkdirSync(backups, { recursive: true, mode: 0o700 }))
        if (yield* Effect.try(() => existsSync(path))) return yield* refuse(operation, "there is a file of that name")
        const draft = yield* makeDraft(path)
        yield* Effect.scoped(Effect.flatMap(open(home.database), (client) => copyOnline(client, draft)))
        yield* settleCopy(draft, "DELETE", (why) => refuse(operation, `the store cannot be copied: ${why}`))
        yield* Effect.try(() => publish(draft, path))
      }).pipe(Effect.scoped, withReactivity, doing(operation))
      return path
    }),

    restore: Effect.fn("StoreFile.restore")(function* (given) {
      const path = resolve(given)
      const operation = `restore ${path}`
      const replaced = `${home.database}.replaced-${yield* compactTime}`
      return yield* Effect.gen(function* () {
        const source = yield* Effect.try(() => statSync(path))
        if (!source.isFile()) return yield* refuse(operation, "it is no file")
        if (isSameFile(path, home.database)) return yield* refuse(operation, "it is the present store")
        yield* Effect.try(() => makeHomeFolder(home.directory))
        if (existsSync(replaced)) return yield* refuse(operation, `there is a file ${replaced} already`)
        const draft = yield* makeDraft(home.database)
        yield* copyStore(path, draft)
        const calls = yield* settleCopy(draft, "WAL", (why) => refuse(operation, why))
        if (!existsSync(home.database)) {
          yield* Effect.try(() => publish(draft, home.database))
          return { calls, replaced: Option.none<string>() }
        }
        yield* replace(home.database, draft, replaced)
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
