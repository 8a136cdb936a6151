import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { extractServerName } from "../ToolName.ts"
import type { ToolUse } from "../ToolUse.ts"
import { agentOf, type HostEnvironment } from "./agents.ts"
import {
  failureKindOf,
  isObject,
  type JsonObject,
  jsonBytes,
  LONGEST_PATH,
  LONGEST_TEXT,
  OptionalFields,
  targetOf,
  textProblem,
} from "./payload.ts"

/** The payload cannot be read as a hook event. `reason` never quotes it: tool input must not reach a log. */
export class UndecodablePayload extends Data.TaggedError("UndecodablePayload")<{ readonly reason: string }> {
  override get message(): string {
    return `could not read the hook payload: ${this.reason}`
  }
}

/** The payload of a finished tool call. Project and time come from elsewhere. */
export interface FinishedToolCall
  extends Omit<ToolUse, "toolUseId" | "projectHash" | "projectRoot" | "usedAt" | "durationIsEstimated" | "source"> {
  readonly _tag: "FinishedToolCall"
  /** Some headless versions give none. */
  readonly toolUseId: string | null
  /** The agent's working folder. It moves with `cd`. */
  readonly cwd: string | null
  /** Optional fields that are present but unusable. They are read as null. */
  readonly unusableFields: ReadonlyArray<string>
}

/** A session began or ended. Transcripts may hold calls that no hook reported. */
export interface SessionBoundary {
  readonly _tag: "SessionBoundary"
}

/** An event that is not recorded. */
export interface OtherHookEvent {
  readonly _tag: "OtherHookEvent"
  readonly name: string
}

export type HookEvent = FinishedToolCall | SessionBoundary | OtherHookEvent

const finishedToolCall = (
  payload: JsonObject,
  success: boolean,
  environment: HostEnvironment,
): Either.Either<FinishedToolCall, UndecodablePayload> => {
  const problem = textProblem(payload.tool_name, LONGEST_TEXT)
  if (problem !== undefined) return Either.left(new UndecodablePayload({ reason: `tool_name ${problem}` }))
  const toolName = (payload.tool_name as string).toWellFormed()
  const fields = new OptionalFields()
  return Either.right({
    _tag: "FinishedToolCall",
    toolName,
    agent: agentOf(payload, environment),
    sessionId: fields.text(payload, "session_id"),
    success,
    toolUseId: fields.text(payload, "tool_use_id"),
    durationMs: fields.wholeMillis(payload, "duration_ms"),
    subagent: fields.text(payload, "agent_type"),
    target: targetOf(toolName, payload, "tool_input", fields),
    serverName: fields.text(fields.object(payload, "mcp_server"), "name") ?? extractServerName(toolName),
    failureKind: success ? null : payload.is_interrupt === true ? "interrupted" : failureKindOf(payload.error),
    inputBytes: jsonBytes(payload.tool_input),
    outputBytes: jsonBytes(success ? payload.tool_response : payload.error),
    cwd: fields.text(payload, "cwd", LONGEST_PATH),
    unusableFields: fields.unusable,
  })
}

const sessionBoundaries: ReadonlySet<unknown> = new Set(["SessionStart", "SessionEnd"])

/**
 * Reads what Claude Code, or an agent that runs its hooks, writes to a hook's stdin: one JSON object, perhaps after a byte order
 * mark. Only `hook_event_name` and, for a finished call, `tool_name` must be valid; unknown fields are ignored.
 * Source: https://code.claude.com/docs/en/hooks
 */
export const decode = (
  text: string,
  environment: HostEnvironment = {},
): Either.Either<HookEvent, UndecodablePayload> => {
  const json = text.startsWith("\ufeff") ? text.slice(1) : text
  if (json.trim() === "") return Either.left(new UndecodablePayload({ reason: "it is empty" }))
  return Either.flatMap(parseJson(json), (payload): Either.Either<HookEvent, UndecodablePayload> => {
    if (!isObject(payload)) {
      const kind = payload === null ? "null" : Array.isArray(payload) ? "an array" : `a ${typeof payload}`
      return Either.left(new UndecodablePayload({ reason: `it is ${kind}, not a JSON object` }))
    }
    const event = payload.hook_event_name
    const problem = textProblem(event, LONGEST_TEXT)
    if (problem !== undefined) return Either.left(new UndecodablePayload({ reason: `hook_event_name ${problem}` }))
    if (event === "PostToolUse") return finishedToolCall(payload, true, environment)
    if (event === "PostToolUseFailure") return finishedToolCall(payload, false, environment)
    if (sessionBoundaries.has(event) && agentOf(payload, environment) === "claude-code") {
      return Either.right({ _tag: "SessionBoundary" })
    }
    return Either.right({ _tag: "OtherHookEvent", name: event as string })
  })
}

const parseJson = (json: string): Either.Either<unknown, UndecodablePayload> =>
  Either.try({
    try: () => JSON.parse(json) as unknown,
    // V8's message quotes the input, so it is left out.
    catch: () => new UndecodablePayload({ reason: `its ${json.length} characters are not one JSON value` }),
  })
