import * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import { projectFromRoot } from "../domain/projectFromRoot.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import { Projects } from "../services/Projects.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { UsageEvents } from "../services/UsageEvents.ts"

const timesByRoot = (uses: ReadonlyArray<ToolUse>) => {
  const times = new Map<string, { first: ToolUse["usedAt"]; last: ToolUse["usedAt"] }>()
  for (const { projectRoot, usedAt } of uses) {
    if (projectRoot === null) continue
    const seen = times.get(projectRoot)
    if (seen === undefined) times.set(projectRoot, { first: usedAt, last: usedAt })
    else if (usedAt < seen.first) seen.first = usedAt
    else if (usedAt > seen.last) seen.last = usedAt
  }
  return times
}

/**
 * Records many finished calls as one `recordToolUse` after the other would, and much faster. To be run in a transaction:
 * what fails leaves some of it written. Returns the calls that were not known yet.
 */
export const recordToolUses = Effect.fn("recordToolUses")(function* (
  uses: ReadonlyArray<ToolUse>,
): Effect.fn.Return<ReadonlyArray<ToolUse>, PersistenceError, UsageEvents | ToolRegistry | Projects> {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const projects = yield* Projects
  const recorded = yield* events.insertAll(uses)
  yield* registry.recordAll(recorded)
  for (const [root, { first, last }] of timesByRoot(recorded)) {
    const project = projectFromRoot(root)
    yield* projects.remember(project, first)
    yield* projects.remember(project, last)
  }
  return recorded
})
