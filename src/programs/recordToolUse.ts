import * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import { fromRoot } from "../domain/Project.ts"
import * as Timestamp from "../domain/Timestamp.ts"
import type { DiscoveredTool } from "../domain/Tool.ts"
import { discoveredTool, type ToolUse } from "../domain/ToolUse.ts"
import { Projects } from "../services/Projects.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { UsageEvents } from "../services/UsageEvents.ts"

/** `known`: the call was there already and nothing changed. `counted`: it is in the aggregate, but its event is not stored. */
export type RecordOutcome = "recorded" | "known" | "counted"

/**
 * The one way a call gets into the store. The event goes first, because its unique (agent, tool-use id) tells whether the
 * call is new. An event that cannot be written is logged and does not keep the aggregate from growing.
 */
const record = Effect.fn("recordToolUse")(function* (tool: DiscoveredTool, use: ToolUse) {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const projects = yield* Projects

  const outcome = yield* events
    .insert(use)
    .pipe(
      Effect.catchTag("PersistenceError", (error) =>
        Effect.logWarning(`${error.message}; the call counts in the aggregate all the same`).pipe(
          Effect.as("failed" as const),
        ),
      ),
    )
  if (outcome === "known") return "known" as const
  yield* registry.recordOrCreate(tool, use.usedAt)
  if (use.projectRoot !== null) {
    yield* projects
      .remember(fromRoot(use.projectRoot), use.usedAt)
      .pipe(Effect.catchTag("PersistenceError", (error) => Effect.logWarning(error.message)))
  }
  return outcome === "inserted" ? ("recorded" as const) : ("counted" as const)
})

/** Records one finished call. Fails only where the aggregate could not be updated. */
export const recordToolUse = (
  use: ToolUse,
): Effect.Effect<RecordOutcome, PersistenceError, UsageEvents | ToolRegistry | Projects> =>
  record(discoveredTool(use), use)

/**
 * Records one use by a caller that has no payload, now. With a session id, or null for an unknown session, an event is
 * inserted as well; without one (`undefined`) only the aggregate grows.
 */
export const recordOrCreate = Effect.fn("recordOrCreate")(function* (
  name: string,
  defaults: Omit<DiscoveredTool, "name">,
  sessionId?: string | null,
  success: boolean = true,
): Effect.fn.Return<RecordOutcome, PersistenceError, UsageEvents | ToolRegistry | Projects> {
  const usedAt = yield* Timestamp.now
  const tool = { name, ...defaults }
  if (sessionId === undefined) {
    const registry = yield* ToolRegistry
    yield* registry.recordOrCreate(tool, usedAt)
    return "counted"
  }
  return yield* record(tool, {
    toolName: name,
    agent: null,
    sessionId,
    projectHash: defaults.projectHash,
    projectRoot: null,
    success,
    usedAt,
    toolUseId: null,
    durationMs: null,
    subagent: null,
    target: null,
    serverName: defaults.serverName,
    failureKind: success ? null : "error",
    source: "library",
  })
})
