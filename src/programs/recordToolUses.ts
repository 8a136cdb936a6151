import * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import { TimesByRoot } from "../domain/timesByRoot.ts"
import { UsesByTool } from "../domain/usesByTool.ts"
import type { Projects } from "../services/Projects.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { UsageEvents } from "../services/UsageEvents.ts"
import { rememberProjects } from "./rememberProjects.ts"

/**
 * As `recordToolUses`, of calls that come in pieces and need not be there at once. Returns how many were not known yet.
 */
export const recordInPieces = Effect.fn("recordInPieces")(function* (
  pieces: Iterable<ReadonlyArray<ToolUse>>,
): Effect.fn.Return<number, PersistenceError, UsageEvents | ToolRegistry | Projects> {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const byTool = new UsesByTool()
  const byRoot = new TimesByRoot()
  let count = 0
  for (const uses of pieces) {
    const recorded = yield* events.insertAll(uses)
    byTool.add(recorded)
    byRoot.add(recorded)
    count += recorded.length
  }
  yield* registry.recordAll(byTool.sums)
  yield* rememberProjects(byRoot)
  return count
})

/**
 * Records many finished calls as one `recordToolUse` after the other would, and much faster. To be run in a transaction:
 * what fails leaves some of it written. Returns how many were not known yet.
 */
export const recordToolUses = (
  uses: ReadonlyArray<ToolUse>,
): Effect.Effect<number, PersistenceError, UsageEvents | ToolRegistry | Projects> => recordInPieces([uses])
