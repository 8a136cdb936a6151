import { isAbsolute } from "node:path"
import * as Effect from "effect/Effect"
import { type HostEnvironment, hostVariables } from "../../domain/agents/agents.ts"
import {
  decode,
  type OtherHookEvent,
  type SessionBoundary,
  type UndecodablePayload,
} from "../../domain/agents/claudeCodeHook.ts"
import { makeCallId } from "../../domain/CallId.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { environmentVariable } from "../../layers/files/HomeLive.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"

const agentEnvironment: Effect.Effect<HostEnvironment> = Effect.forEach(hostVariables, (name) =>
  Effect.map(environmentVariable(name), (value) => [name, value] as const),
).pipe(Effect.map(Object.fromEntries<string | undefined>))

/** What a hook event asks for. */
export type ReceivedEvent = { readonly _tag: "ToolUsed"; readonly use: ToolUse } | SessionBoundary | OtherHookEvent

/**
 * Reads a hook's payload. A finished call becomes a tool use of this moment, in the project of the folder that the session
 * began in (`CLAUDE_PROJECT_DIR`), else of the payload's `cwd`.
 */
export const receiveFrom = Effect.fn("receiveHookEvent")(function* (
  payload: string,
  environment: HostEnvironment,
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
    toolUseId: call.toolUseId ?? (yield* makeCallId),
    projectHash: project?.hash ?? null,
    projectRoot: project?.root ?? null,
    usedAt: yield* Timestamp.now,
    durationIsEstimated: false,
    source: "hook",
  }
  return { _tag: "ToolUsed", use }
})

/** `receiveFrom` in a process that the agent started, with the agent's environment. */
export const receiveHookEvent = (payload: string): Effect.Effect<ReceivedEvent, UndecodablePayload, ProjectResolver> =>
  Effect.flatMap(agentEnvironment, (environment) => receiveFrom(payload, environment))
