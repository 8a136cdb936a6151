import * as Effect from "effect/Effect"
import { makeCallId } from "../../domain/CallId.ts"
import { projectFromRoot } from "../../domain/projectFromRoot.ts"
import { PersistenceError, type StoreMissing } from "../../domain/StoreError.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import type { DiscoveredTool } from "../../domain/Tool.ts"
import { discoveredTool } from "../../domain/ToolName.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { Projects } from "../../services/Projects.ts"
import { Spool } from "../../services/Spool.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"

/** `known`: the call was there already and nothing changed. `counted`: it is in the aggregate, but its event is not stored. */
export type RecordOutcome = "recorded" | "known" | "counted"

/**
 * The one way a call gets into the store. The event goes first, because its unique (agent, tool-use id) shows whether the
 * call is new. If the event is rejected, that is logged and the aggregate still grows. If the store is unavailable as
 * a whole, nothing is written.
 */
const record = Effect.fn("recordToolUse")(function* (tool: DiscoveredTool, use: ToolUse) {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const projects = yield* Projects

  const outcome = yield* events
    .insert(use)
    .pipe(
      Effect.catchTag("PersistenceError", (error) =>
        error.reason === "rejected" ? Effect.succeed(error) : Effect.fail(error),
      ),
    )
  if (outcome === "known") return "known" as const
  const hasEvent = outcome === "inserted"
  yield* registry.recordOrCreate(tool, use.usedAt, { hasEvent })
  if (!hasEvent) yield* Effect.logWarning(`${outcome.message}; the call counts in the aggregate only`)
  if (use.projectRoot !== null) {
    yield* projects
      .remember(projectFromRoot(use.projectRoot), { first: use.usedAt, last: use.usedAt })
      .pipe(Effect.catchTag("PersistenceError", (error) => Effect.logWarning(error.message)))
  }
  return hasEvent ? ("recorded" as const) : ("counted" as const)
})

/**
 * Records one finished call. If it fails, the call must be recorded again: perhaps its event is stored and the aggregate
 * is not, which a drain of the spool repairs.
 */
export const recordToolUse = (
  use: ToolUse,
): Effect.Effect<RecordOutcome, PersistenceError, UsageEvents | ToolRegistry | Projects> =>
  record(discoveredTool(use), use)

/** If the store cannot take a call, the spool does, and one line in the log says so. If neither can, the line says that. */
export const spoolOnFailure =
  (use: ToolUse) =>
  <A, R>(
    recording: Effect.Effect<A, PersistenceError | StoreMissing, R>,
  ): Effect.Effect<A | "spooled" | "lost", never, R | Spool> =>
    recording.pipe(
      Effect.catchAllDefect(
        (cause) => new PersistenceError({ operation: "record the call", reason: "unavailable", cause }),
      ),
      Effect.catchAll((failure) =>
        Effect.gen(function* () {
          const spool = yield* Spool
          yield* spool.append(use)
          yield* Effect.logWarning(`${failure.message}; the call is kept in the spool`)
          return "spooled" as const
        }).pipe(
          Effect.catchTag("PersistenceError", (spoolFailure) =>
            Effect.logError(`${failure.message}; ${spoolFailure.message}; a ${use.toolName} call is lost`).pipe(
              Effect.as("lost" as const),
            ),
          ),
        ),
      ),
    )

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
    yield* registry.recordOrCreate(tool, usedAt, { hasEvent: false })
    return "counted"
  }
  return yield* record(tool, {
    toolName: name,
    agent: "library",
    sessionId,
    projectHash: defaults.projectHash,
    projectRoot: null,
    success,
    usedAt,
    toolUseId: yield* makeCallId,
    durationMs: null,
    durationIsEstimated: false,
    subagent: null,
    target: null,
    serverName: defaults.serverName,
    failureKind: success ? null : "error",
    source: "library",
    inputBytes: null,
    outputBytes: null,
  })
})
