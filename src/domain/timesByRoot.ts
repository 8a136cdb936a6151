import type { Timestamp } from "./Timestamp.ts"
import type { ToolUse } from "./ToolUse.ts"

interface Times {
  first: Timestamp
  last: Timestamp
}

/** When each project was used first and last, by its root. */
export class TimesByRoot {
  readonly #times = new Map<string, Times>()

  add(uses: ReadonlyArray<ToolUse>): void {
    for (const { projectRoot, usedAt } of uses) {
      if (projectRoot === null) continue
      const times = this.#times.get(projectRoot)
      if (times === undefined) this.#times.set(projectRoot, { first: usedAt, last: usedAt })
      else if (usedAt < times.first) times.first = usedAt
      else if (usedAt > times.last) times.last = usedAt
    }
  }

  [Symbol.iterator](): MapIterator<[string, Readonly<Times>]> {
    return this.#times.entries()
  }
}
