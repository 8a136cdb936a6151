import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { MADE_ID_PREFIX } from "./CallId.ts"
import { projectFromRoot } from "./projectFromRoot.ts"
import {
  decoder,
  type ImportedCount,
  importedCallId,
  type TransferredProject,
  TransferredTool,
} from "./StoreTransfer.ts"
import { fromEpochMillis } from "./Timestamp.ts"
import { CheckedTimestamp } from "./TimestampText.ts"
import { extractServerName } from "./ToolName.ts"
import { FolderPath, Name, ToolUse } from "./ToolUse.ts"

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
export const laminarkColumns = {
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
