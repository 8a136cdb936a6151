import * as Effect from "effect/Effect"
import { TimesByRoot, usesByTool } from "../../domain/foldUses.ts"
import { projectFromRoot } from "../../domain/projectFromRoot.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { Projects } from "../../services/Projects.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"

/**
 * Does what one `recordToolUse` after the other would do, and much faster. To be run in a transaction:
 * a failure leaves some of it written. Returns the calls that were not known yet.
 */
export const recordToolUses = Effect.fn("recordToolUses")(function* (
  uses: ReadonlyArray<ToolUse>,
): Effect.fn.Return<ReadonlyArray<ToolUse>, PersistenceError, UsageEvents | ToolRegistry | Projects> {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const projects = yield* Projects
  const recorded = yield* events.insertAll(uses)
  yield* registry.recordAll(usesByTool(recorded))
  const byRoot = new TimesByRoot()
  byRoot.add(recorded)
  yield* projects.rememberAll([...byRoot].map(([root, seen]) => [projectFromRoot(root), seen]))
  return recorded
})
