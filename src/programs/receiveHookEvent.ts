import { isAbsolute } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { decode, type HostEnvironment, type UndecodablePayload } from "../domain/ClaudeCodeHook.ts"
import * as Timestamp from "../domain/Timestamp.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import { environmentVariable } from "../layers/environment.ts"
import { ProjectResolver } from "../services/ProjectResolver.ts"

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

/**
 * What a hook's payload says, as a tool use of this moment; none where the event is not about a finished call. The project
 * is that of the folder the session began in (`CLAUDE_PROJECT_DIR`), else of the payload's `cwd`.
 */
export const receiveFrom = Effect.fn("receiveHookEvent")(function* (
  payload: string,
  environment: AgentEnvironment,
): Effect.fn.Return<Option.Option<ToolUse>, UndecodablePayload, ProjectResolver> {
  const event = yield* decode(payload, environment)
  if (event._tag === "OtherHookEvent") return Option.none()

  const { _tag, cwd, unusableFields, ...call } = event
  if (unusableFields.length > 0) {
    yield* Effect.logWarning(`the payload of a ${call.toolName} call has an unusable ${unusableFields.join(", ")}`)
  }
  const resolver = yield* ProjectResolver
  const start = [environment.CLAUDE_PROJECT_DIR, cwd].find((path) => path != null && isAbsolute(path))
  const project = start == null ? undefined : yield* resolver.resolve(start)
  return Option.some({
    ...call,
    projectHash: project?.hash ?? null,
    projectRoot: project?.root ?? null,
    usedAt: yield* Timestamp.now,
    durationIsEstimated: false,
    source: "hook" as const,
  })
})

/** As `receiveFrom`, in a process that the agent started and whose environment is the agent's. */
export const receiveHookEvent = (
  payload: string,
): Effect.Effect<Option.Option<ToolUse>, UndecodablePayload, ProjectResolver> =>
  Effect.flatMap(agentEnvironment, (environment) => receiveFrom(payload, environment))
