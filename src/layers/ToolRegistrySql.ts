import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { now, type Timestamp } from "../domain/Timestamp.ts"
import { extractServerName } from "../domain/ToolName.ts"
import type { CountedUses } from "../domain/usesByTool.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { failingTo } from "./failingTo.ts"
import { onDemand } from "./onDemand.ts"

/** `ToolRegistry` over an open database. */
export const makeToolRegistry = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./registryQueries.ts").then((module) => module.makeRegistryQueries(sql)))

  const count = ({ tool, ...uses }: CountedUses, writtenAt: Timestamp, hasEvent: boolean) => sql`
      INSERT INTO tool_registry (
        name, tool_type, scope, source, project_hash, description, server_name, usage_count, last_used_at, discovered_at,
        updated_at, baseline_count, baseline_last_used_at)
      VALUES (
        ${tool.name}, ${tool.toolType}, ${tool.scope}, ${tool.source}, ${tool.projectHash}, ${tool.description},
        ${tool.serverName}, ${uses.count}, ${uses.lastUsedAt}, ${uses.firstUsedAt}, ${writtenAt},
        ${hasEvent ? null : uses.count}, ${hasEvent ? null : uses.lastUsedAt})
      ON CONFLICT (name, COALESCE(project_hash, '')) DO UPDATE SET
        usage_count = tool_registry.usage_count + excluded.usage_count,
        last_used_at = max(COALESCE(tool_registry.last_used_at, ''), excluded.last_used_at),
        discovered_at = min(tool_registry.discovered_at, excluded.discovered_at),
        updated_at = excluded.updated_at,
        baseline_count = CASE WHEN excluded.baseline_count IS NULL THEN tool_registry.baseline_count
          ELSE COALESCE(tool_registry.baseline_count, 0) + excluded.baseline_count END,
        baseline_last_used_at = CASE WHEN excluded.baseline_last_used_at IS NULL THEN tool_registry.baseline_last_used_at
          ELSE max(COALESCE(tool_registry.baseline_last_used_at, ''), excluded.baseline_last_used_at) END,
        description = COALESCE(tool_registry.description, excluded.description),
        server_name = CASE
          WHEN excluded.server_name <> COALESCE(${extractServerName(tool.name)}, '') THEN excluded.server_name
          ELSE COALESCE(tool_registry.server_name, excluded.server_name) END`

  return ToolRegistry.of({
    recordOrCreate: (tool, usedAt, { hasEvent } = { hasEvent: true }) =>
      Effect.flatMap(now, (writtenAt) =>
        count({ tool, count: 1, firstUsedAt: usedAt, lastUsedAt: usedAt }, writtenAt, hasEvent),
      ).pipe(Effect.asVoid, failingTo(`count a use of ${tool.name}`)),

    recordAll: Effect.fn("ToolRegistry.recordAll")(function* (uses) {
      const writtenAt = yield* now
      yield* Effect.forEach(uses, (counted) => count(counted, writtenAt, true), { discard: true })
    }, failingTo("count the uses of tools")),

    getAvailableForSession: (project) => Effect.flatMap(queries, (read) => read.getAvailableForSession(project)),
    findDrift: Effect.flatMap(queries, (read) => read.findDrift),
    rebuild: Effect.flatMap(queries, (read) => read.rebuild),
  })
})
