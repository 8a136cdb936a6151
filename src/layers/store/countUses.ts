import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { CountedUses } from "../../domain/foldUses.ts"
import type { Timestamp } from "../../domain/Timestamp.ts"
import { extractServerName } from "../../domain/ToolName.ts"
import { makeInsertRows } from "./insertRows.ts"

interface Counted extends CountedUses {
  readonly writtenAt: Timestamp
  readonly hasEvent: boolean
}

const columns = [
  ...["name", "tool_type", "scope", "source", "project_hash", "description", "server_name", "usage_count"],
  ...["last_used_at", "discovered_at", "updated_at", "baseline_count", "baseline_last_used_at"],
]

const values = ({ tool, count, firstUsedAt, lastUsedAt, writtenAt, hasEvent }: Counted) => [
  tool.name,
  tool.toolType,
  tool.scope,
  tool.source,
  tool.projectHash,
  tool.description,
  tool.serverName,
  count,
  lastUsedAt,
  firstUsedAt,
  writtenAt,
  hasEvent ? null : count,
  hasEvent ? null : lastUsedAt,
]

const addingUses = (serverName: string) => `
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
    server_name = ${serverName}`

/** And not made out from the tool's name. */
const isServerGiven = ({ tool: { name, serverName } }: CountedUses) =>
  serverName !== null && serverName !== (extractServerName(name) ?? "")

const isAlike = (one: CountedUses, other: CountedUses) => isServerGiven(one) === isServerGiven(other)

/** Adds uses to the registry's rows, which it makes where there are none. */
export const makeCountUses = (
  sql: SqlClient.SqlClient,
): ((uses: ReadonlyArray<Counted>) => Effect.Effect<void, SqlError>) => {
  const into = { into: "tool_registry", columns, values }
  const countGiven = makeInsertRows(sql, { ...into, onConflict: addingUses("excluded.server_name") })
  const countOthers = makeInsertRows(sql, {
    ...into,
    onConflict: addingUses("COALESCE(tool_registry.server_name, excluded.server_name)"),
  })
  return (uses) =>
    Effect.forEach(
      // In their order, so that new rows get the ids they would get one by one.
      Arr.isNonEmptyReadonlyArray(uses) ? Arr.groupWith(uses, isAlike) : [],
      (run) => (isServerGiven(run[0]) ? countGiven(run) : countOthers(run)),
      { discard: true },
    )
}
