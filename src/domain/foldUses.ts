import * as Option from "effect/Option"
import type { Timestamp } from "./Timestamp.ts"
import type { DiscoveredTool, ToolRegistryRow } from "./Tool.ts"
import { discoveredTool, extractServerName } from "./ToolName.ts"
import type { ToolUse } from "./ToolUse.ts"

/** Uses of one tool in one project. */
export interface CountedUses {
  readonly tool: DiscoveredTool
  readonly count: number
  readonly firstUsedAt: Timestamp
  readonly lastUsedAt: Timestamp
}

interface Sum {
  tool: DiscoveredTool
  count: number
  firstUsedAt: Timestamp
  lastUsedAt: Timestamp
}

/** The name that a call gave wins over the one that was read from the tool's name. */
const withServerName = (tool: DiscoveredTool, serverName: string | null): DiscoveredTool => {
  if (serverName === null || serverName === tool.serverName) return tool
  const isGiven = serverName !== extractServerName(tool.name)
  return isGiven || tool.serverName === null ? { ...tool, serverName } : tool
}

/** Adds up uses by tool and project, in the order of the first uses. */
export const usesByTool = (uses: ReadonlyArray<ToolUse>): ReadonlyArray<CountedUses> => {
  const byProject = new Map<string | null, Map<string, Sum>>()
  const sums: Array<Sum> = []
  for (const use of uses) {
    const { projectHash, toolName, usedAt } = use
    let byTool = byProject.get(projectHash)
    if (byTool === undefined) {
      byTool = new Map()
      byProject.set(projectHash, byTool)
    }
    const sum = byTool.get(toolName)
    if (sum === undefined) {
      const first = { tool: discoveredTool(use), count: 1, firstUsedAt: usedAt, lastUsedAt: usedAt }
      byTool.set(toolName, first)
      sums.push(first)
      continue
    }
    sum.tool = withServerName(sum.tool, use.serverName)
    sum.count++
    if (usedAt < sum.firstUsedAt) sum.firstUsedAt = usedAt
    if (usedAt > sum.lastUsedAt) sum.lastUsedAt = usedAt
  }
  return sums
}

/** When any of these tools was called last; none if none ever was. */
export const lastUse = (rows: ReadonlyArray<ToolRegistryRow>): Option.Option<Timestamp> =>
  Option.fromNullable(
    rows
      .flatMap(({ last_used_at }) => last_used_at ?? [])
      .sort()
      .at(-1),
  )

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
