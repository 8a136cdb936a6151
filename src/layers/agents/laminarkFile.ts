import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { MADE_ID_PREFIX } from "../../domain/CallId.ts"
import { projectFromRoot } from "../../domain/projectFromRoot.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import {
  decoder,
  type ImportedCount,
  importedCallId,
  type TransferredProject,
  TransferredTool,
} from "../../domain/StoreTransfer.ts"
import { fromEpochMillis } from "../../domain/Timestamp.ts"
import { CheckedTimestamp } from "../../domain/TimestampText.ts"
import { extractServerName } from "../../domain/ToolName.ts"
import { FolderPath, Name, ToolUse } from "../../domain/ToolUse.ts"
import { environmentVariable, userHome } from "../files/HomeLive.ts"
import { SIDE_FILES } from "../files/ownedFiles.ts"

// What laminark, a plugin for Claude Code, keeps of tool calls. Its tables have the shape of migrations 16 and 17.

/** SQLite's own form of a time, or ISO 8601. */
const Time = Schema.transformOrFail(Schema.String, CheckedTimestamp, {
  strict: true,
  decode: (text, _, ast) => {
    const millis = Date.parse(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? `${text.replace(" ", "T")}Z` : text)
    return Number.isNaN(millis)
      ? ParseResult.fail(new ParseResult.Type(ast, text, "is not a time"))
      : ParseResult.succeed(fromEpochMillis(millis))
  },
  encode: ParseResult.succeed,
})

const ToolRow = Schema.Struct({
  ...TransferredTool.fields,
  id: Schema.Int,
  usage_count: Schema.Int.pipe(Schema.nonNegative()),
  last_used_at: Schema.NullOr(Time),
  discovered_at: Time,
  updated_at: Time,
})

const EventRow = Schema.Struct({
  id: Schema.Int,
  tool_name: Name,
  session_id: Schema.NullOr(Name),
  project_hash: ToolUse.fields.projectHash,
  success: Schema.Number,
  created_at: Time,
})

/** Of `project_metadata`, which not every version has. */
const ProjectRow = Schema.Struct({ project_hash: Name, project_path: FolderPath, last_seen_at: Time })

/** The columns that are read. There may be more. */
const laminarkColumns = {
  tool_registry: Object.keys(ToolRow.fields),
  tool_usage_events: Object.keys(EventRow.fields),
}

/** A row of the registry there. */
export interface LaminarkTool {
  /** Names the row wherever its database is. */
  readonly origin: string
  readonly tool: TransferredTool
  readonly counted: ImportedCount
}

const decodeTool = decoder(ToolRow)
const decodeEvent = decoder(EventRow)
const decodeProject = decoder(ProjectRow)

/** Reads a row of `tool_registry`; if it cannot, says what is wrong. */
export const readLaminarkTool = (row: unknown): Either.Either<LaminarkTool, string> =>
  Either.map(decodeTool(row), ({ id, usage_count: count, last_used_at, ...tool }) => ({
    // A copy and its original have such a row in common, and no two other databases.
    origin: `laminark/${id}/${tool.discovered_at}`,
    tool,
    counted: { count, last_used_at },
  }))

/** Reads a row of `tool_usage_events`; if it cannot, says what is wrong. */
export const readLaminarkEvent = (row: unknown): Either.Either<ToolUse, string> =>
  Either.map(decodeEvent(row), ({ id, tool_name, session_id, project_hash, success, created_at }) => ({
    toolName: tool_name,
    agent: "claude-code",
    sessionId: session_id,
    projectHash: project_hash,
    projectRoot: null,
    success: success !== 0,
    usedAt: created_at,
    toolUseId: importedCallId(`${MADE_ID_PREFIX}laminark-`, [
      id,
      tool_name,
      session_id,
      project_hash,
      success,
      created_at,
    ]),
    durationMs: null,
    durationIsEstimated: false,
    subagent: null,
    target: null,
    serverName: extractServerName(tool_name),
    failureKind: null,
    source: "import",
    inputBytes: null,
    outputBytes: null,
  }))

/** Reads a row of `project_metadata`; if it cannot, says what is wrong. */
export const readLaminarkProject = (row: unknown): Either.Either<TransferredProject, string> =>
  Either.map(decodeProject(row), ({ project_hash, project_path: root, last_seen_at: seen }) => ({
    project_hash,
    root,
    name: projectFromRoot(root).name,
    first_seen: seen,
    last_seen: seen,
  }))

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

/**
 * To read a database in WAL mode that nobody has open, SQLite makes files beside it and leaves them there. So a copy is read.
 * One that is in use has those files.
 */
const placeToRead = (path: string) =>
  Effect.gen(function* () {
    if (existsSync(`${path}-shm`)) return path
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "tooltrail-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
    )
    const copy = join(folder, "laminark.db")
    copyFileSync(path, copy)
    for (const suffix of SIDE_FILES) if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix)
    return copy
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
