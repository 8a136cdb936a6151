import { isAbsolute } from "node:path"
import * as Effect from "effect/Effect"
import {
  decode,
  type HostEnvironment,
  type OtherHookEvent,
  type SessionBoundary,
  type UndecodablePayload,
} from "../../domain/agents/claudeCodeHook.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { environmentVariable } from "../../layers/files/environment.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"

interface AgentEnvironment extends HostEnvironment {
  /** The folder the session began in. */
  readonly CLAUDE_PROJECT_DIR?: string | undefined
}

const agentEnvironment: Effect.Effect<AgentEnvironment> = Effect.gen(function* () {
  return {
    CLAUDE_PROJECT_DIR: yield* environmentVariable("CLAUDE_PROJECT_DIR"),
    GEMINI_SESSION_ID: yield* environmentVariable("GEMINI_SESSION_ID"),
    DEVIN_PROJECT_DIR: yield* environmentVariable("DEVIN_PROJECT_DIR"),
    GROK_SESSION_ID: yield* environmentVariable("GROK_SESSION_ID"),
  }
})

/** What a hook event asks for. */
export type ReceivedEvent = { readonly _tag: "ToolUsed"; readonly use: ToolUse } | SessionBoundary | OtherHookEvent

/**
 * What a hook's payload says; a finished call is a tool use of this moment. Its project
 * is that of the folder the session began in (`CLAUDE_PROJECT_DIR`), else of the payload's `cwd`.
 */
export const receiveFrom = Effect.fn("receiveHookEvent")(function* (
  payload: string,
  environment: AgentEnvironment,
): Effect.fn.Return<ReceivedEvent, UndecodablePayload, ProjectResolver> {
  const event = yield* decode(payload, environment)
  if (event._tag !== "FinishedToolCall") return event

  const { _tag, cwd, unusableFields, ...call } = event
  if (unusableFields.length > 0) {
    yield* Effect.logWarning(`the payload of a ${call.toolName} call has an unusable ${unusableFields.join(", ")}`)
  }
  const resolver = yield* ProjectResolver
  const start = [environment.CLAUDE_PROJECT_DIR, cwd].find((path) => path != null && isAbsolute(path))
  const project = start == null ? undefined : yield* resolver.resolve(start)
  const use: ToolUse = {
    ...call,
    projectHash: project?.hash ?? null,
    projectRoot: project?.root ?? null,
    usedAt: yield* Timestamp.now,
    durationIsEstimated: false,
    source: "hook",
  }
  return { _tag: "ToolUsed", use }
})

/** As `receiveFrom`, in a process that the agent started and whose environment is the agent's. */
export const receiveHookEvent = (payload: string): Effect.Effect<ReceivedEvent, UndecodablePayload, ProjectResolver> =>
  Effect.flatMap(agentEnvironment, (environment) => receiveFrom(payload, environment))
