import * as Schema from "effect/Schema"
import { ProjectHash } from "./Project.ts"
import { TimestampText } from "./TimestampText.ts"

/** `interrupted`: the user stopped the call, which is no fault of the tool. */
export const FailureKind = Schema.Literal("error", "interrupted")
export type FailureKind = typeof FailureKind.Type

/**
 * How the call became known: from the hook as it happened, from a transcript, or from a caller of the library. Of a call without
 * an id it is kept apart whether the hook that the plugin registers told of it, another, or both.
 */
export const ToolUseSource = Schema.Literal("hook", "plugin", "hook+plugin", "transcript", "library")
export type ToolUseSource = typeof ToolUseSource.Type

/** One finished tool call: what every source turns into, and all that is ever stored of a call. */
export const ToolUse = Schema.Struct({
  /** The raw name, as the agent gave it. */
  toolName: Schema.String,
  /** The agent that made the call, e.g. `claude-code`; `library` for a caller of the library. */
  agent: Schema.String,
  sessionId: Schema.NullOr(Schema.String),
  projectHash: Schema.NullOr(ProjectHash),
  /** The folder that `projectHash` stands for, where it is known. */
  projectRoot: Schema.NullOr(Schema.String),
  success: Schema.Boolean,
  usedAt: TimestampText,
  /** Unique per agent: a call that arrives again is known by it. */
  toolUseId: Schema.NullOr(Schema.String),
  /** Whole milliseconds. */
  durationMs: Schema.NullOr(Schema.Number),
  /** The agent did not say the duration: it is the time between two entries of a transcript. */
  durationIsEstimated: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** The type of the subagent that made the call. */
  subagent: Schema.NullOr(Schema.String),
  /** What a generic tool really ran: the skill of a `Skill` call, the subagent type of an `Agent` call. */
  target: Schema.NullOr(Schema.String),
  /** The MCP server. */
  serverName: Schema.NullOr(Schema.String),
  failureKind: Schema.NullOr(FailureKind),
  source: ToolUseSource,
})
export type ToolUse = typeof ToolUse.Type
