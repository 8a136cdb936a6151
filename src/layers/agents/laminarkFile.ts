import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { laminarkColumns } from "../../domain/Laminark.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { environmentVariable, userHome } from "../files/HomeLive.ts"

const WAL_FORMAT_AT = 18
const WAL_FORMAT = 2
const PATIENCE_MILLIS = 5000
const ROWS_AT_A_TIME = 1000

/** A database of laminark, as it was at one moment. */
export interface LaminarkFile {
  readonly path: string
  readonly tools: ReadonlyArray<unknown>
  /** None if it does not know the folders of projects. */
  readonly projects: ReadonlyArray<unknown>
  /** Events, oldest first, some at a time. */
  readonly events: Stream.Stream<ReadonlyArray<unknown>, PersistenceError>
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
 * To read a database in WAL mode that nobody has open, SQLite makes files beside it and leaves them there. So a copy is read.
 * One that is in use has those files.
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
    // If it has changed, somebody has just begun to use it.
    return String(stateOf(path)) === String(before) ? copy : path
  })

const columnsOf = (database: Database.Database, table: string): ReadonlyArray<unknown> =>
  database.prepare("SELECT name FROM pragma_table_info(?)").pluck().all(table)

/** Says why it is not a database of laminark. */
const findMisfit = (database: Database.Database): string | undefined => {
  for (const [table, columns] of Object.entries(laminarkColumns)) {
    const present = columnsOf(database, table)
    if (present.length === 0) return `it has no table ${table}`
    const missing = columns.find((column) => !present.includes(column))
    if (missing !== undefined) return `its table ${table} has no column ${missing}`
  }
  return columnsOf(database, "tool_usage_events").includes("tool_use_id")
    ? "it is a tooltrail store; bring its calls over with `tooltrail export` and `tooltrail import`"
    : undefined
}

const readProjects = (database: Database.Database): ReadonlyArray<unknown> =>
  columnsOf(database, "project_metadata").length === 0 ? [] : database.prepare("SELECT * FROM project_metadata").all()

const hasId = Schema.is(Schema.Struct({ id: Schema.Number }))

/** Opens a database of laminark, and changes nothing in it. Fails if it has another shape. */
export const openLaminarkFile = (path: string): Effect.Effect<LaminarkFile, PersistenceError, Scope.Scope> =>
  Effect.gen(function* () {
    const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: cannotRead(path, "unavailable") })
    if (!(yield* attempt(() => statSync(path))).isFile()) return yield* cannotRead(path, "rejected")("it is not a file")
    const place = yield* placeToRead(path).pipe(
      Effect.catchAllDefect((defect) => Effect.fail(cannotRead(path, "unavailable")(defect))),
    )
    const database = yield* Effect.acquireRelease(
      attempt(() => new Database(place, { readonly: place === path, timeout: PATIENCE_MILLIS })),
      (database) => Effect.sync(() => database.close()),
    )
    const misfit = yield* attempt(() => {
      // All that is read is of one moment.
      database.exec("BEGIN")
      return findMisfit(database)
    })
    if (misfit !== undefined) return yield* cannotRead(path, "rejected")(misfit)
    const read = (table: keyof typeof laminarkColumns, more: string) =>
      database.prepare(`SELECT ${laminarkColumns[table].join(", ")} FROM ${table} ${more}`)
    const eventsAfter = yield* attempt(() =>
      read("tool_usage_events", `WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_A_TIME}`),
    )
    return {
      path,
      tools: yield* attempt(() => read("tool_registry", "ORDER BY id").all()),
      projects: yield* attempt(() => readProjects(database)),
      events: Stream.unfoldEffect(0, (last) =>
        Effect.map(
          attempt(() => eventsAfter.all(last)),
          (rows) => Option.map(Option.filter(Option.fromNullable(rows.at(-1)), hasId), ({ id }) => [rows, id] as const),
        ),
      ),
    }
  })

/** Where laminark keeps its database, newest place first. Source: its `src/shared/config.ts`. */
export const laminarkPlaces: Effect.Effect<ReadonlyArray<string>, PersistenceError> = Effect.gen(function* () {
  const chosen = yield* environmentVariable("LAMINARK_DATA_DIR")
  if (chosen !== undefined) return [join(chosen, "data.db")]
  const home = yield* userHome
  return [join(home, ".claude", "plugins", "cache", "laminark", "data", "data.db"), join(home, ".laminark", "data.db")]
})
