import { mostFirst, type NeighbourCount } from "./UsageReport.ts"

export interface SessionOrder {
  /** The tools that the session called, in their order; null stands for a call that is asked about. */
  readonly names: ReadonlyArray<string | null>
  /** Whether there were calls before that are pruned. */
  readonly isCut: boolean
}

const add = (counts: Map<string | null, number>, key: string | null) => counts.set(key, (counts.get(key) ?? 0) + 1)

const listed = (counts: ReadonlyMap<string | null, number>): ReadonlyArray<NeighbourCount> =>
  [...counts].map(([key, usage_count]) => ({ key, usage_count })).sort(mostFirst)

/** What was called right before, and right after, the calls of a tool that are asked about. Most first, then by key. */
export const countNeighbours = (tool: string, sessions: Iterable<SessionOrder>) => {
  const before = new Map<string | null, number>()
  const after = new Map<string | null, number>()
  for (const { names: order, isCut } of sessions) {
    const names = order.map((name) => name ?? tool)
    for (const [place, name] of order.entries()) {
      if (name !== null) continue
      if (place > 0 || !isCut) add(before, names[place - 1] ?? null)
      add(after, names[place + 1] ?? null)
    }
  }
  return { before: listed(before), after: listed(after) }
}
