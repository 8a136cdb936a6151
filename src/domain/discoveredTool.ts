import type { DiscoveredTool } from "./Tool.ts"
import { inferScope, inferToolType } from "./ToolName.ts"
import type { ToolUse } from "./ToolUse.ts"

/** The tool that a call makes known. */
export const discoveredTool = (use: ToolUse): DiscoveredTool => ({
  name: use.toolName,
  toolType: inferToolType(use.toolName),
  scope: inferScope(use.toolName),
  source: use.source,
  projectHash: use.projectHash,
  description: null,
  serverName: use.serverName,
})
