import { discoveredTool } from "./discoveredTool.ts"
import type { Timestamp } from "./Timestamp.ts"
import type { DiscoveredTool } from "./Tool.ts"
import { extractServerName } from "./ToolName.ts"
import type { ToolUse } from "./ToolUse.ts"

export interface CountedUses {
  readonly count: number
  readonly firstUsedAt: Timestamp
  readonly lastUsedAt: Timestamp
}

/** Sums uses up by tool and project. A server's name that a call gave wins over one that was made out from the tool's name. */
export const usesByTool = (
  uses: ReadonlyArray<ToolUse>,
): ReadonlyArray<CountedUses & { readonly tool: DiscoveredTool }> => {
  const byTool = new Map<string, CountedUses & { readonly tool: DiscoveredTool }>()
  for (const use of uses) {
    const key = `${use.projectHash ?? ""}\n${use.toolName}`
    const sum = byTool.get(key)
    if (sum === undefined) {
      byTool.set(key, { tool: discoveredTool(use), count: 1, firstUsedAt: use.usedAt, lastUsedAt: use.usedAt })
      continue
    }
    const { tool } = sum
    const isGiven = use.serverName !== null && use.serverName !== extractServerName(tool.name)
    const serverName = isGiven ? use.serverName : (tool.serverName ?? use.serverName)
    byTool.set(key, {
      tool: serverName === tool.serverName ? tool : { ...tool, serverName },
      count: sum.count + 1,
      firstUsedAt: use.usedAt < sum.firstUsedAt ? use.usedAt : sum.firstUsedAt,
      lastUsedAt: use.usedAt > sum.lastUsedAt ? use.usedAt : sum.lastUsedAt,
    })
  }
  return [...byTool.values()]
}
