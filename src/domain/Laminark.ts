import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { projectFromRoot } from "./projectFromRoot.ts"
import { type TransferredEvent, type TransferredProject, TransferredTool } from "./StoreTransfer.ts"
import { fromEpochMillis, type Timestamp } from "./Timestamp.ts"
import { extractServerName } from "./ToolName.ts"
import { decoder } from "./transferText.ts"

// What laminark, a plugin for Claude Code, keeps of tool calls. Its tables have the shape of migrations 16 and 17.

const OptionalText = Schema.NullOr(Schema.String)

const ToolRow = Schema.Struct({
  ...TransferredTool.fields,
  id: Schema.Int,
  usage_count: Schema.Int.pipe(Schema.nonNegative()),
  last_used_at: OptionalText,
  discovered_at: Schema.String,
  updated_at: Schema.String,
})

const EventRow = Schema.Struct({
  id: Schema.Int,
  tool_name: Schema.NonEmptyString,
  session_id: OptionalText,
  project_hash: OptionalText,
  success: Schema.Number,
  created_at: Schema.String,
})

/** The columns that are read. There may be more. */
export const laminarkColumns = {
  tool_registry: Object.keys(ToolRow.fields),
  tool_usage_events: Object.keys(EventRow.fields),
}

/** Of `project_metadata`, which not every version has. */
const ProjectRow = Schema.Struct({
  project_hash: Schema.NonEmptyString,
  project_path: Schema.NonEmptyString,
  last_seen_at: Schema.String,
})

/** A row of the registry there, with what names it wherever it is taken over. */
export interface LaminarkTool {
  readonly origin: string
  readonly tool: TransferredTool
  readonly usageCount: number
  readonly lastUsedAt: Timestamp | null
}

/** SQLite's own form of a time, or ISO 8601. */
const readTime = (text: string): Either.Either<Timestamp, string> => {
  const millis = Date.parse(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? `${text.replace(" ", "T")}Z` : text)
  return Number.isNaN(millis) ? Either.left("a time in it is none") : Either.right(fromEpochMillis(millis))
}

const decodeTool = decoder(ToolRow)
const decodeEvent = decoder(EventRow)
const decodeProject = decoder(ProjectRow)

/** Reads a row of `tool_registry`; what is wrong with it where it is none. */
export const readLaminarkTool = (row: unknown): Either.Either<LaminarkTool, string> =>
  Either.gen(function* () {
    const { id, usage_count, last_used_at, discovered_at, updated_at, ...tool } = yield* decodeTool(row)
    return {
      // No two databases have a row of one id that was made in the same second for the same tool, but a copy and its original.
      origin: `laminark/${id}/${discovered_at}`,
      tool: { ...tool, discovered_at: yield* readTime(discovered_at), updated_at: yield* readTime(updated_at) },
      usageCount: usage_count,
      lastUsedAt: last_used_at === null ? null : yield* readTime(last_used_at),
    }
  })

/** Reads a row of `tool_usage_events`; what is wrong with it where it is none. */
export const readLaminarkEvent = (row: unknown): Either.Either<TransferredEvent, string> =>
  Either.gen(function* () {
    const { id, tool_name, session_id, project_hash, success, created_at } = yield* decodeEvent(row)
    return {
      // Ids are counted anew in each database; sessions have names of their own.
      origin: `laminark/${session_id ?? ""}`,
      id,
      tool_name,
      session_id,
      project_hash,
      success: success === 0 ? 0 : 1,
      created_at: yield* readTime(created_at),
      agent: "claude-code",
      tool_use_id: null,
      duration_ms: null,
      subagent: null,
      target: null,
      server_name: extractServerName(tool_name),
      failure_kind: null,
      source: "laminark",
    }
  })

/** Reads a row of `project_metadata`; what is wrong with it where it is none. */
export const readLaminarkProject = (row: unknown): Either.Either<TransferredProject, string> =>
  Either.gen(function* () {
    const { project_hash, project_path: root, last_seen_at } = yield* decodeProject(row)
    const seen = yield* readTime(last_seen_at)
    return { project_hash, root, name: projectFromRoot(root).name, first_seen: seen, last_seen: seen }
  })
