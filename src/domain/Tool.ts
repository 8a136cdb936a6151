import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ProjectHash } from "./Project.ts"
import { TimestampText } from "./TimestampText.ts"

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

/** A tool as it was first seen, in a call or in a configuration. */
export const DiscoveredTool = Schema.Struct({
  name: Schema.String,
  toolType: ToolType,
  scope: ToolScope,
  /** What showed it first: `hook`, `transcript`, `library`, … */
  source: Schema.String,
  projectHash: Schema.NullOr(ProjectHash),
  description: Schema.NullOr(Schema.String),
  serverName: Schema.NullOr(Schema.String),
})
export type DiscoveredTool = typeof DiscoveredTool.Type

/** If another program stored a value that is not one of ours, it is read as `fallback`. */
const orElse = <A extends string>(schema: Schema.Schema<A>, fallback: A): Schema.Schema<A> =>
  schema.annotations({ decodingFallback: () => Effect.succeed(fallback) })

/** The aggregate of one tool in one project. */
export const ToolRegistryRow = Schema.Struct({
  id: Schema.Number,
  name: Schema.String,
  tool_type: orElse(ToolType, "unknown"),
  scope: orElse(ToolScope, "global"),
  source: Schema.String,
  project_hash: Schema.NullOr(ProjectHash),
  description: Schema.NullOr(Schema.String),
  server_name: Schema.NullOr(Schema.String),
  usage_count: Schema.Number,
  last_used_at: Schema.NullOr(TimestampText),
  discovered_at: TimestampText,
  updated_at: TimestampText,
})
export type ToolRegistryRow = typeof ToolRegistryRow.Type

/** A row of the registry that is not what it should be; if `usage_count` is null, the row is missing. */
export const RegistryDrift = Schema.Struct({
  name: Schema.String,
  project_hash: Schema.NullOr(ProjectHash),
  usage_count: Schema.NullOr(Schema.Number),
  last_used_at: Schema.NullOr(TimestampText),
  expected_count: Schema.Number,
  expected_last_used_at: Schema.NullOr(TimestampText),
  first_used_at: Schema.NullOr(TimestampText),
})
export type RegistryDrift = typeof RegistryDrift.Type
