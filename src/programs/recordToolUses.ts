import * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import { projectFromRoot } from "../domain/projectFromRoot.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import { UsesByTool } from "../domain/usesByTool.ts"
import { Projects } from "../services/Projects.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { UsageEvents } from "../services/UsageEvents.ts"

/** When each project was used first and last, by its root. */
class TimesByRoot {
  readonly #times = new Map<string, { first: Timestamp; last: Timestamp }>()

  add(uses: ReadonlyArray<ToolUse>): void {
    for (const { projectRoot, usedAt } of uses) {
      if (projectRoot === null) continue
      const times = this.#times.get(projectRoot)
      if (times === undefined) this.#times.set(projectRoot, { first: usedAt, last: usedAt })
      else if (usedAt < times.first) times.first = usedAt
      else if (usedAt > times.last) times.last = usedAt
    }
  }

  [Symbol.iterator]() {
    return this.#times.entries()
  }
}

/**
 * As `recordToolUses`, of calls that come in pieces and need not be there at once. Returns how many were not known yet.
 */
export const recordInPieces = Effect.fn("recordInPieces")(function* (
  pieces: Iterable<ReadonlyArray<ToolUse>>,
): Effect.fn.Return<number, PersistenceError, UsageEvents | ToolRegistry | Projects> {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const projects = yield* Projects
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
  for (const [root, { first, last }] of byRoot) {
    const project = projectFromRoot(root)
    yield* projects.remember(project, first)
    yield* projects.remember(project, last)
  }
  return count
})

/**
 * Records many finished calls as one `recordToolUse` after the other would, and much faster. To be run in a transaction:
 * what fails leaves some of it written. Returns how many were not known yet.
 */
export const recordToolUses = (
  uses: ReadonlyArray<ToolUse>,
): Effect.Effect<number, PersistenceError, UsageEvents | ToolRegistry | Projects> => recordInPieces([uses])
