import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { isObject, type JsonObject } from "./agents/payload.ts"
import { MADE_ID_PREFIX } from "./CallId.ts"
import { type EventColumn, eventColumns, eventValue, fieldsByColumn } from "./eventColumns.ts"
import { ProjectHash } from "./Project.ts"
import { CheckedTimestamp, TimestampText } from "./TimestampText.ts"
import { ToolRegistryRow } from "./Tool.ts"
import { FailureKind, FolderPath, Name, ToolUse, ToolUseSource } from "./ToolUse.ts"

// An export of a store is lines of JSON: its header, projects, tools, calls and end. Fields are named as the store's columns.

/** The version of the format that this program writes, and the newest that it reads. */
export const TRANSFER_VERSION = 2

export const TransferHeader = Schema.Struct({
  tooltrail: Schema.Literal("events"),
  version: Schema.Int.pipe(
    Schema.filter(
      (version) =>
        version <= TRANSFER_VERSION || `is ${version}, this program reads up to ${TRANSFER_VERSION}; update tooltrail`,
    ),
  ),
  exported_at: CheckedTimestamp,
  /** Earlier calls are left out; null if none are. */
  since: Schema.NullOr(CheckedTimestamp),
  /** In version 1: what the store calls itself. */
  store: Schema.optional(Name),
})
export type TransferHeader = typeof TransferHeader.Type

export const TransferredProject = Schema.Struct({
  project_hash: Name,
  root: FolderPath,
  name: Name,
  first_seen: CheckedTimestamp,
  last_seen: CheckedTimestamp,
})
export type TransferredProject = typeof TransferredProject.Type

/** The project, and when it was seen. */
export const toProject = ({ project_hash, root, name, first_seen, last_seen }: TransferredProject) =>
  [
    { hash: ProjectHash.make(project_hash), root, name },
    { first: first_seen, last: last_seen },
  ] as const

/** A row of the registry without its counts, which are made from the calls. */
export const TransferredTool = Schema.Struct({
  name: Name,
  tool_type: ToolRegistryRow.fields.tool_type,
  scope: ToolRegistryRow.fields.scope,
  source: Name,
  project_hash: Schema.NullOr(Name),
  description: Schema.NullOr(Schema.String),
  server_name: Schema.NullOr(Name),
  discovered_at: CheckedTimestamp,
  updated_at: CheckedTimestamp,
})
export type TransferredTool = typeof TransferredTool.Type

const Count = Schema.Int.pipe(Schema.nonNegative())

/** A whole export ends with this: how many of each came before. */
export const TransferEnd = Schema.Struct({ projects: Count, tools: Count, events: Count })

/** How many uses of a tool another program has counted, and the last use that it knows. */
export const ImportedCount = Schema.Struct({ count: Count, last_used_at: Schema.NullOr(TimestampText) })
export type ImportedCount = typeof ImportedCount.Type

/** What a line of an export says. */
export type TransferRecord =
  | { readonly header: TransferHeader }
  | { readonly project: TransferredProject }
  | { readonly tool: TransferredTool }
  | { readonly use: ToolUse }
  | { readonly end: typeof TransferEnd.Type }

export const ROW_ID_PREFIX = `${MADE_ID_PREFIX}row-`

/** An id for a call whose source has none. It is always the same, so that the call is known when it is imported again. */
export const importedCallId = (prefix: string, row: ReadonlyArray<unknown>): string =>
  `${prefix}${bytesToHex(sha256(utf8ToBytes(JSON.stringify(row)))).slice(0, 32)}`

/** Decodes a value, or says what is wrong with it first. */
export const decoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (value: unknown): Either.Either<A, string> =>
    Either.mapLeft(decode(value), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      if (issue === undefined) return "it has the wrong shape"
      const [field] = issue.path
      const column = eventColumns.find((column) => fieldsByColumn[column] === field) ?? field
      return column === undefined ? issue.message : `${String(column)}: ${issue.message}`
    })
}

const decodeUse = decoder(Schema.typeSchema(ToolUse))
const isFailureKind = Schema.is(FailureKind)
const isSource = Schema.is(ToolUseSource)

/**
 * Reads a call from its row in a store or an export. A program that writes rows by plain SQL may leave out the agent and the id. `place` keeps
 * equal rows apart; in an export of version 1 `origin` and `id` do.
 */
export const fromEventRow = (row: JsonObject): Either.Either<ToolUse, string> => {
  // As the hook reads its payload.
  const given = (column: EventColumn) => {
    const value = row[column]
    if (typeof value === "string") return value === "" ? null : value.toWellFormed()
    return column === "duration_ms" && typeof value === "number" ? Math.round(value) : (value ?? null)
  }
  const [agent, toolUseId, success] = [given("agent"), given("tool_use_id"), given("success")]
  const fields: Partial<Record<keyof ToolUse, unknown>> = {}
  for (const column of eventColumns) fields[fieldsByColumn[column]] = given(column)
  return decodeUse({
    ...fields,
    projectRoot: null,
    agent: agent ?? "unknown",
    toolUseId:
      agent !== null && toolUseId !== null
        ? toolUseId
        : importedCallId(ROW_ID_PREFIX, [
            ...[given("tool_name"), given("created_at"), given("session_id"), given("project_hash"), success],
            ...[row.place, row.origin, row.id],
          ]),
    success: success === 1 ? true : success === 0 ? false : success,
    durationIsEstimated: row.duration_is_estimated === 1,
    failureKind: isFailureKind(row.failure_kind) ? row.failure_kind : null,
    source: isSource(row.source) ? row.source : "import",
  })
}

/** A call by the names of its columns, as an export holds it. */
export const toEventRow = (use: ToolUse): Readonly<Record<string, unknown>> =>
  Object.fromEntries(eventColumns.map((column) => [column, eventValue(use, column)]))

const parse = Schema.decodeUnknownOption(Schema.parseJson(Schema.Unknown))
const decodeEnd = decoder(TransferEnd)
export const decodeProject = decoder(TransferredProject)
export const decodeTool = decoder(TransferredTool)

export const isHeader = (line: string): boolean => /^\{\s*"tooltrail"\s*:\s*"events"/.test(line)

export const readHeader = decoder(Schema.parseJson(TransferHeader))

/** Reads a line after the header. */
export const readLine = (line: string, header: TransferHeader): Either.Either<TransferRecord, string> => {
  const value = Option.getOrNull(parse(line))
  if (!isObject(value)) return Either.left("it is not a JSON object")
  if (isObject(value.event)) {
    return Either.map(fromEventRow({ origin: header.store, ...value.event }), (use) => ({ use }))
  }
  if ("project" in value) return Either.map(decodeProject(value.project), (project) => ({ project }))
  if ("tool" in value) return Either.map(decodeTool(value.tool), (tool) => ({ tool }))
  if ("end" in value) return Either.map(decodeEnd(value.end), (end) => ({ end }))
  return Either.left("it is of no known kind")
}
