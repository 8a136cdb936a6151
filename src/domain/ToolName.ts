import type { DiscoveredTool, ToolScope, ToolType } from "./Tool.ts"
import type { ToolUse } from "./ToolUse.ts"

/** Names that Anthropic's own tools have and that are not in PascalCase. */
const lowerCaseBuiltins = new Set([
  "bash",
  "code_execution",
  "computer",
  "memory",
  "str_replace_based_edit_tool",
  "web_fetch",
  "web_search",
])

const MCP_PREFIX = "mcp__"
const PLUGIN_PREFIX = "mcp__plugin_"

/** What kind of tool a raw name stands for, as far as the name shows. */
export const inferToolType = (name: string): ToolType => {
  if (name.startsWith(MCP_PREFIX)) return "mcp_tool"
  if (name === "Skill") return "skill"
  return lowerCaseBuiltins.has(name) || /^[A-Z][A-Za-z0-9]*$/.test(name) ? "builtin" : "unknown"
}

/** Where a tool with this raw name is available: with a plugin, in one project, or everywhere. */
export const inferScope = (name: string): ToolScope => {
  if (name.startsWith(PLUGIN_PREFIX)) return "plugin"
  return name.startsWith(MCP_PREFIX) ? "project" : "global"
}

/**
 * The segment between `mcp__` and the next `__`, or null. Of a plugin's tool this is `plugin_<plugin>_<server>`: the name
 * alone does not show where the plugin's name ends.
 */
export const extractServerName = (name: string): string | null => {
  if (!name.startsWith(MCP_PREFIX)) return null
  const end = name.indexOf("__", MCP_PREFIX.length)
  return end > MCP_PREFIX.length ? name.slice(MCP_PREFIX.length, end) : null
}

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
