import * as Schema from "effect/Schema"
import { ProjectHash } from "./Project.ts"
import { Timestamp } from "./Timestamp.ts"

export const ToolType = Schema.Literal(
  "mcp_server",
  "mcp_tool",
  "slash_command",
  "skill",
  "plugin",
  "builtin",
  "unknown",
)
export type ToolType = typeof ToolType.Type

export const ToolScope = Schema.Literal("global", "project", "plugin")
export type ToolScope = typeof ToolScope.Type

/** A tool as it was met for the first time, in a call or in a configuration. */
export const DiscoveredTool = Schema.Struct({
  name: Schema.String,
  toolType: ToolType,
  scope: ToolScope,
  /** Where it was met: `hook`, `transcript`, `library`, … */
  source: Schema.String,
  projectHash: Schema.NullOr(ProjectHash),
  description: Schema.NullOr(Schema.String),
  serverName: Schema.NullOr(Schema.String),
})
export type DiscoveredTool = typeof DiscoveredTool.Type

/** The aggregate of one tool in one project. */
export const ToolRegistryRow = Schema.Struct({
  id: Schema.Number,
  name: Schema.String,
  tool_type: ToolType,
  scope: ToolScope,
  source: Schema.String,
  project_hash: Schema.NullOr(ProjectHash),
  description: Schema.NullOr(Schema.String),
  server_name: Schema.NullOr(Schema.String),
  usage_count: Schema.Number,
  last_used_at: Schema.NullOr(Timestamp),
  discovered_at: Timestamp,
  updated_at: Timestamp,
})
export type ToolRegistryRow = typeof ToolRegistryRow.Type
