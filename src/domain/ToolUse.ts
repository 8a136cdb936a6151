import * as Schema from "effect/Schema"
import { LONGEST_DURATION_MILLIS, LONGEST_PATH, LONGEST_TEXT, textProblem } from "./agents/payload.ts"
import { ProjectHash } from "./Project.ts"
import { CheckedTimestamp, TimestampText } from "./TimestampText.ts"

const textUpTo = (longest: number): Schema.Schema<string> =>
  Schema.String.pipe(Schema.filter((text) => textProblem(text, longest)))

/** A name or an id, as the hook accepts it: not empty, at most 1024 characters, no control characters. */
export const Name = textUpTo(LONGEST_TEXT)

/** The path of a folder, as the hook accepts it. */
export const FolderPath = textUpTo(LONGEST_PATH)

/**
 * `interrupted`: the user stopped the call. `cancelled`: it never ran, because another call of the same message failed. Neither
 * is a failure of the tool.
 */
export const FailureKind = Schema.Literal("error", "interrupted", "cancelled")
export type FailureKind = typeof FailureKind.Type

/** How the call became known: from the hook as it happened, from a transcript, from an import, or from a caller of the library. */
export const ToolUseSource = Schema.Literal("hook", "transcript", "import", "library")
export type ToolUseSource = typeof ToolUseSource.Type

const Bytes = Schema.optionalWith(Schema.NullOr(Schema.NonNegativeInt), { default: () => null })

/**
 * One finished tool call: what every source turns into, and all that is ever stored of a call. What is read from a file, an
 * export or a spooled call, must keep the limits that the hook keeps.
 */
export const ToolUse = Schema.Struct({
  /** The raw name, as the agent gave it. */
  toolName: Name,
  /** The agent that made the call, e.g. `claude-code`; `library` for a caller of the library. */
  agent: Name,
  sessionId: Schema.NullOr(Name),
  projectHash: Schema.NullOr(Name.pipe(Schema.brand("ProjectHash"))),
  /** The folder that `projectHash` stands for, if it is known. */
  projectRoot: Schema.NullOr(FolderPath),
  success: Schema.Boolean,
  usedAt: CheckedTimestamp,
  /** The agent's own id, else one that `makeCallId` made. Unique per agent: a call that arrives again is known by it. */
  toolUseId: Name,
  /** Whole milliseconds. */
  durationMs: Schema.NullOr(Schema.Int.pipe(Schema.between(0, LONGEST_DURATION_MILLIS))),
  /** The agent did not say the duration: it is the time between two entries of a transcript. */
  durationIsEstimated: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** The type of the subagent that made the call. */
  subagent: Schema.NullOr(Name),
  /** What a general tool ran: the skill of a `Skill` call, the subagent type of an `Agent` call. */
  target: Schema.NullOr(Name),
  /** The MCP server. */
  serverName: Schema.NullOr(Name),
  failureKind: Schema.NullOr(FailureKind),
  source: ToolUseSource,
  /** The sizes of its input and output as JSON. */
  inputBytes: Bytes,
  outputBytes: Bytes,
})
export type ToolUse = typeof ToolUse.Type

/** Reads a tool use from the line of JSON that the spool keeps of it. */
export const decodeToolUseLine = Schema.decodeUnknownOption(Schema.parseJson(ToolUse))

/** One call as the store holds it. The columns after `created_at` are null for calls that older programs stored. */
export const ToolUsageEvent = Schema.Struct({
  id: Schema.Number,
  tool_name: Schema.String,
  session_id: Schema.NullOr(Schema.String),
  project_hash: Schema.NullOr(ProjectHash),
  success: Schema.Literal(0, 1),
  created_at: TimestampText,
  agent: Schema.NullOr(Schema.String),
  tool_use_id: Schema.NullOr(Schema.String),
  duration_ms: Schema.NullOr(Schema.Number),
  subagent: Schema.NullOr(Schema.String),
  target: Schema.NullOr(Schema.String),
  server_name: Schema.NullOr(Schema.String),
  failure_kind: Schema.NullOr(FailureKind),
  source: Schema.NullOr(Schema.String),
  duration_is_estimated: Schema.NullOr(Schema.Literal(0, 1)),
  input_bytes: Schema.NullOr(Schema.Number),
  output_bytes: Schema.NullOr(Schema.Number),
})
export type ToolUsageEvent = typeof ToolUsageEvent.Type
