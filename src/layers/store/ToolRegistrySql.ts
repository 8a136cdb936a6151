import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CountedUses } from "../../domain/foldUses.ts"
import { now, type Timestamp } from "../../domain/Timestamp.ts"
import { extractServerName } from "../../domain/ToolName.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { failingTo } from "./failingTo.ts"
import { makeInsertRows } from "./insertRows.ts"
import { onDemand } from "./onDemand.ts"

interface Counted {
  readonly uses: CountedUses
  readonly writtenAt: Timestamp
  readonly hasEvent: boolean
}

const columns = [
  ...["name", "tool_type", "scope", "source", "project_hash", "description", "server_name", "usage_count"],
  ...["last_used_at", "discovered_at", "updated_at", "baseline_count", "baseline_last_used_at"],
]

const values = ({ uses: { tool, count, firstUsedAt, lastUsedAt }, writtenAt, hasEvent }: Counted) => [
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

/** Whether the agent named the server. Otherwise the name was read from the tool's name. */
const isServerGiven = ({ uses: { tool } }: Counted) =>
  tool.serverName !== null && tool.serverName !== (extractServerName(tool.name) ?? "")

export const makeToolRegistry = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const reads = onDemand(() => import("./registryReads.ts").then((module) => module.makeRegistryReads(sql)))

  const into = { into: "tool_registry", columns, values }
  const countGiven = makeInsertRows<Counted>(sql, { ...into, onConflict: addingUses("excluded.server_name") })
  const countOthers = makeInsertRows<Counted>(sql, {
    ...into,
    onConflict: addingUses("COALESCE(tool_registry.server_name, excluded.server_name)"),
  })

  const countAll = (counted: ReadonlyArray<Counted>) =>
    Effect.forEach(
      // In their order, so that new rows get the ids they would get one by one.
      Arr.isNonEmptyReadonlyArray(counted)
        ? Arr.groupWith(counted, (one, other) => isServerGiven(one) === isServerGiven(other))
        : [],
      (run) => (isServerGiven(run[0]) ? countGiven(run) : countOthers(run)),
      { discard: true },
    )

  return ToolRegistry.of({
    recordOrCreate: (tool, usedAt, { hasEvent } = { hasEvent: true }) =>
      Effect.flatMap(now, (writtenAt) =>
        countAll([{ uses: { tool, count: 1, firstUsedAt: usedAt, lastUsedAt: usedAt }, writtenAt, hasEvent }]),
      ).pipe(failingTo(`count a use of ${tool.name}`)),

    recordAll: Effect.fn("ToolRegistry.recordAll")(function* (all) {
      const writtenAt = yield* now
      yield* countAll(all.map((uses) => ({ uses, writtenAt, hasEvent: true })))
    }, failingTo("count the uses of tools")),

    refold: (uses) => Effect.flatMap(reads, (read) => read.refold(uses)),
    getAvailableForSession: (project) => Effect.flatMap(reads, (read) => read.getAvailableForSession(project)),
    findDrift: Effect.flatMap(reads, (read) => read.findDrift),
    rebuild: Effect.flatMap(reads, (read) => read.rebuild),
  })
})

/** `ToolRegistry` over an open database whose schema is up to date. */
export const ToolRegistrySql: Layer.Layer<ToolRegistry, never, SqlClient.SqlClient> = Layer.effect(
  ToolRegistry,
  makeToolRegistry,
)
