import type { Timestamp } from "./Timestamp.ts"
import type { ToolUse } from "./ToolUse.ts"

/** When something was seen first and last. */
export interface Times {
  readonly first: Timestamp
  readonly last: Timestamp
}

/** When each project was used first and last, by its root. */
export class TimesByRoot {
  readonly #times = new Map<string, { -readonly [Key in keyof Times]: Times[Key] }>()

  add(uses: ReadonlyArray<ToolUse>): void {
    for (const { projectRoot, usedAt } of uses) {
      if (projectRoot === null) continue
      const times = this.#times.get(projectRoot)
      if (times === undefined) this.#times.set(projectRoot, { first: usedAt, last: usedAt })
      else if (usedAt < times.first) times.first = usedAt
      else if (usedAt > times.last) times.last = usedAt
    }
  }

  [Symbol.iterator](): MapIterator<[string, Times]> {
    return this.#times.entries()
  }
}
