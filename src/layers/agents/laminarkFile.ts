import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { laminarkColumns } from "../../domain/Laminark.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { environmentVariable } from "../files/environment.ts"
import { userHome } from "../files/userHome.ts"

const WAL_FORMAT_AT = 18
const WAL_FORMAT = 2
const PATIENCE_MILLIS = 5000

/** The first migration of a store of ours that has more than laminark's tables. */
const OWN_SCHEMA = 18

/** A database of laminark, as it was at one moment. */
export interface LaminarkFile {
  readonly path: string
  readonly tools: ReadonlyArray<unknown>
  /** Where it knows the folders of projects. */
  readonly projects: ReadonlyArray<unknown>
  /** The events after this id, oldest first, at most so many. */
  readonly eventsAfter: (
    id: number,
    limit: number,
  ) => Effect.Effect<ReadonlyArray<{ readonly id: number }>, PersistenceError>
}

const cannotRead = (path: string, reason: "unavailable" | "rejected") => (cause: unknown) =>
  cause instanceof PersistenceError ? cause : new PersistenceError({ operation: `import ${path}`, reason, cause })

const isInWalMode = (path: string): boolean => {
  const format = Buffer.alloc(1)
  const file = openSync(path, "r")
  try {
    readSync(file, format, 0, 1, WAL_FORMAT_AT)
  } finally {
    closeSync(file)
  }
  return format[0] === WAL_FORMAT
}

const stateOf = (path: string) =>
  [path, `${path}-wal`, `${path}-shm`].map((file) => {
    const stat = statSync(file, { throwIfNoEntry: false })
    return stat && `${stat.ino} ${stat.size} ${stat.mtimeMs}`
  })

/**
 * To look into a database in WAL mode that nobody has open, SQLite makes files beside it and leaves them there, so that it
 * is looked at as a copy. One that is in use has those files.
 */
const placeToRead = (path: string) =>
  Effect.gen(function* () {
    if (!isInWalMode(path) || existsSync(`${path}-shm`)) return path
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "tooltrail-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
    )
    const copy = join(folder, "laminark.db")
    const before = stateOf(path)
    copyFileSync(path, copy)
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`)
    // Somebody has just begun to use it.
    return String(stateOf(path)) === String(before) ? copy : path
  })

const columnsOf = (database: Database.Database, table: string): ReadonlyArray<unknown> =>
  database.prepare("SELECT name FROM pragma_table_info(?)").pluck().all(table)

/** What keeps it from being a database of laminark. */
const findMisfit = (database: Database.Database): string | undefined => {
  for (const [table, columns] of Object.entries(laminarkColumns)) {
    const present = columnsOf(database, table)
    if (present.length === 0) return `it has no table ${table}`
    const missing = columns.find((column) => !present.includes(column))
    if (missing !== undefined) return `its table ${table} has no column ${missing}`
  }
  if (columnsOf(database, "effect_sql_migrations").length === 0) return undefined
  const schema = Number(database.prepare("SELECT max(migration_id) FROM effect_sql_migrations").pluck().get() ?? 0)
  return schema < OWN_SCHEMA
    ? undefined
    : "it is a tooltrail store; take its calls over with `tooltrail export` and `tooltrail import`"
}

const readProjects = (database: Database.Database): ReadonlyArray<unknown> =>
  columnsOf(database, "project_metadata").length === 0 ? [] : database.prepare("SELECT * FROM project_metadata").all()

/** Opens a database of laminark, of which nothing is changed. Fails where it has another shape. */
export const openLaminarkFile = (path: string): Effect.Effect<LaminarkFile, PersistenceError, Scope.Scope> =>
  Effect.gen(function* () {
    const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: cannotRead(path, "unavailable") })
    if (!(yield* attempt(() => statSync(path))).isFile()) return yield* cannotRead(path, "rejected")("it is no file")
    const place = yield* placeToRead(path).pipe(
      Effect.catchAllDefect((defect) => Effect.fail(cannotRead(path, "unavailable")(defect))),
    )
    const database = yield* Effect.acquireRelease(
      attempt(() => new Database(place, { readonly: place === path, timeout: PATIENCE_MILLIS })),
      (database) => Effect.sync(() => database.close()),
    )
    const misfit = yield* attempt(() => {
      // One state of it for all that is read.
      database.exec("BEGIN")
      return findMisfit(database)
    })
    if (misfit !== undefined) return yield* cannotRead(path, "rejected")(misfit)
    const columns = laminarkColumns.tool_usage_events.join(", ")
    const events = database.prepare<[number, number], { readonly id: number }>(
      `SELECT ${columns} FROM tool_usage_events WHERE id > ? ORDER BY id LIMIT ?`,
    )
    return {
      path,
      tools: yield* attempt(() =>
        database.prepare(`SELECT ${laminarkColumns.tool_registry.join(", ")} FROM tool_registry ORDER BY id`).all(),
      ),
      projects: yield* attempt(() => readProjects(database)),
      eventsAfter: (id, limit) => attempt(() => events.all(id, limit)),
    }
  })

/** Where laminark keeps its database, the newest place first. Source: its `src/shared/config.ts`. */
export const laminarkPlaces: Effect.Effect<ReadonlyArray<string>, PersistenceError> = Effect.gen(function* () {
  const chosen = yield* environmentVariable("LAMINARK_DATA_DIR")
  if (chosen !== undefined) return [join(chosen, "data.db")]
  const home = yield* userHome
  return [join(home, ".claude", "plugins", "cache", "laminark", "data", "data.db"), join(home, ".laminark", "data.db")]
})
