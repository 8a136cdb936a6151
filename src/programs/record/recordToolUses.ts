import * as Effect from "effect/Effect"
import { usesByTool } from "../../domain/foldUses.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { TimesByRoot } from "../../domain/timesByRoot.ts"
import type { Projects } from "../../services/Projects.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { rememberProjects } from "./rememberProjects.ts"

/**
 * Records many finished calls as one `recordToolUse` after the other would, and much faster. To be run in a transaction:
 * what fails leaves some of it written. Returns how many were not known yet.
 */
export const recordToolUses = Effect.fn("recordToolUses")(function* (
  uses: ReadonlyArray<ToolUse>,
): Effect.fn.Return<number, PersistenceError, UsageEvents | ToolRegistry | Projects> {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const recorded = yield* events.insertAll(uses)
  yield* registry.recordAll(usesByTool(recorded))
  const byRoot = new TimesByRoot()
  byRoot.add(recorded)
  yield* rememberProjects(byRoot)
  return recorded.length
})
