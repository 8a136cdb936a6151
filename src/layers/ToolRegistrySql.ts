import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { AllProjects, ProjectHash } from "../domain/Project.ts"
import { now, Timestamp } from "../domain/Timestamp.ts"
import { DiscoveredTool, ToolRegistryRow } from "../domain/Tool.ts"
import { extractServerName } from "../domain/ToolName.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { failingTo } from "./failingTo.ts"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const scopeOrder = sql`
    CASE tool_type WHEN 'mcp_server' THEN 0 WHEN 'slash_command' THEN 1 WHEN 'skill' THEN 2 WHEN 'plugin' THEN 3 ELSE 4 END,
    usage_count DESC, name, project_hash`

  const countUse = SqlSchema.void({
    Request: Schema.Struct({ tool: DiscoveredTool, usedAt: Timestamp, writtenAt: Timestamp }),
    execute: ({ tool, usedAt, writtenAt }) => sql`
      INSERT INTO tool_registry ${sql.insert({
        name: tool.name,
        tool_type: tool.toolType,
        scope: tool.scope,
        source: tool.source,
        project_hash: tool.projectHash,
        description: tool.description,
        server_name: tool.serverName,
        usage_count: 1,
        last_used_at: usedAt,
        discovered_at: usedAt,
        updated_at: writtenAt,
      })}
      ON CONFLICT (name, COALESCE(project_hash, '')) DO UPDATE SET
        usage_count = tool_registry.usage_count + 1,
        last_used_at = max(COALESCE(tool_registry.last_used_at, ''), excluded.last_used_at),
        discovered_at = min(tool_registry.discovered_at, excluded.discovered_at),
        updated_at = excluded.updated_at,
        description = COALESCE(tool_registry.description, excluded.description),
        server_name = CASE
          WHEN excluded.server_name IS NOT ${extractServerName(tool.name)} THEN excluded.server_name
          ELSE COALESCE(tool_registry.server_name, excluded.server_name) END`,
  })

  const available = SqlSchema.findAll({
    Request: Schema.NullOr(ProjectHash),
    Result: ToolRegistryRow,
    execute: (project) => sql`
      SELECT id, name, tool_type, scope, source, project_hash, description, server_name,
        usage_count, last_used_at, discovered_at, updated_at
      FROM (
        SELECT *, row_number() OVER (
          PARTITION BY name ORDER BY (project_hash IS ${project}) DESC, usage_count DESC, project_hash) AS place
        FROM tool_registry
        WHERE scope IN ('global', 'plugin') OR project_hash IS ${project})
      WHERE place = 1 ORDER BY ${scopeOrder}`,
  })

  const all = SqlSchema.findAll({
    Request: Schema.Void,
    Result: ToolRegistryRow,
    execute: () => sql`SELECT * FROM tool_registry ORDER BY ${scopeOrder}`,
  })

  return ToolRegistry.of({
    recordOrCreate: Effect.fn("ToolRegistry.recordOrCreate")(
      function* (tool, usedAt) {
        yield* countUse({ tool, usedAt, writtenAt: yield* now })
      },
      (effect, tool) => failingTo(`count a use of ${tool.name}`)(effect),
    ),

    getAvailableForSession: Effect.fn("ToolRegistry.getAvailableForSession")(
      (project) => (project === AllProjects ? all(undefined) : available(project)),
      failingTo("read the known tools"),
    ),
  })
})

export const ToolRegistrySql: Layer.Layer<ToolRegistry, never, SqlClient.SqlClient> = Layer.effect(ToolRegistry, make)
