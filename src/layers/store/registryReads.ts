import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AllProjects, ProjectHash } from "../../domain/Project.ts"
import { now, type Timestamp } from "../../domain/Timestamp.ts"
import { RegistryDrift, ToolRegistryRow } from "../../domain/Tool.ts"
import { extractServerName, inferScope, inferToolType } from "../../domain/ToolName.ts"
import type { ToolRegistry } from "../../services/ToolRegistry.ts"
import { failingTo } from "./failingTo.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"

/** What `ToolRegistry` answers and repairs. */
export const makeRegistryReads = (
  sql: SqlClient.SqlClient,
): Omit<Context.Tag.Service<ToolRegistry>, "recordOrCreate" | "recordAll"> => {
  const scopeOrder = sql`
    CASE tool_type WHEN 'mcp_server' THEN 0 WHEN 'slash_command' THEN 1 WHEN 'skill' THEN 2 WHEN 'plugin' THEN 3 ELSE 4 END,
    usage_count DESC, name, project_hash`

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

  /** What the rows of some tools, or of all, should be, if they are wrong. */
  const driftOf = (events: Statement.Fragment, rows: Statement.Fragment) => sql`
    WITH fold AS (
      SELECT tool_name AS name, project_hash, count(*) AS uses, max(created_at) AS last, min(created_at) AS first
      FROM tool_usage_events WHERE ${events} GROUP BY tool_name, project_hash),
    whole AS (
      SELECT r.name, r.project_hash, r.usage_count, r.last_used_at,
        COALESCE(r.baseline_count, 0) + COALESCE(f.uses, 0) AS expected_count,
        NULLIF(max(COALESCE(r.baseline_last_used_at, ''), COALESCE(f.last, '')), '') AS expected_last_used_at,
        f.first AS first_used_at
      FROM tool_registry r LEFT JOIN fold f ON f.name = r.name AND f.project_hash IS r.project_hash WHERE ${rows}
      UNION ALL
      SELECT f.name, f.project_hash, NULL, NULL, f.uses, f.last, f.first
      FROM fold f
      WHERE NOT EXISTS (SELECT 1 FROM tool_registry r WHERE r.name = f.name AND r.project_hash IS f.project_hash))
    SELECT * FROM whole
    WHERE usage_count IS NOT expected_count OR last_used_at IS NOT expected_last_used_at
    ORDER BY name, project_hash`

  const drift = SqlSchema.findAll({
    Request: Schema.Void,
    Result: RegistryDrift,
    execute: () => driftOf(sql`1`, sql`1`),
  })

  const driftOfTools = SqlSchema.findAll({
    Request: Schema.Array(Schema.String),
    Result: RegistryDrift,
    execute: (names) => driftOf(sql.in("tool_name", names), sql.in("r.name", names)),
  })

  const mend = (row: RegistryDrift, writtenAt: Timestamp) => sql`
    INSERT INTO tool_registry ${sql.insert({
      name: row.name,
      tool_type: inferToolType(row.name),
      scope: inferScope(row.name),
      source: "events",
      project_hash: row.project_hash,
      server_name: extractServerName(row.name),
      usage_count: row.expected_count,
      last_used_at: row.expected_last_used_at,
      discovered_at: row.first_used_at ?? writtenAt,
      updated_at: writtenAt,
    })}
    ON CONFLICT (name, COALESCE(project_hash, '')) DO UPDATE SET
      usage_count = excluded.usage_count, last_used_at = excluded.last_used_at, updated_at = excluded.updated_at`

  const mendAll = <E>(find: Effect.Effect<ReadonlyArray<RegistryDrift>, E>) =>
    Effect.gen(function* () {
      const rows = yield* find
      const writtenAt = yield* now
      yield* Effect.forEach(rows, (row) => mend(row, writtenAt), { discard: true })
      return rows
    }).pipe(withImmediateTransaction(sql))

  return {
    getAvailableForSession: Effect.fn("ToolRegistry.getAvailableForSession")(
      (project) => (project === AllProjects ? all(undefined) : available(project)),
      failingTo("read the known tools"),
    ),

    findDrift: drift(undefined).pipe(
      failingTo("compare the registry with the events"),
      Effect.withSpan("ToolRegistry.findDrift"),
    ),

    refold: Effect.fn("ToolRegistry.refold")((uses) => {
      const names = [...new Set(uses.map(({ toolName }) => toolName))]
      return names.length === 0 ? Effect.void : Effect.asVoid(mendAll(driftOfTools(names)))
    }, failingTo("count the uses of tools again")),

    rebuild: mendAll(drift(undefined)).pipe(failingTo("rebuild the registry"), Effect.withSpan("ToolRegistry.rebuild")),
  }
}
