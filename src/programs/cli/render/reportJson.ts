import type { Project } from "../../../domain/Project.ts"
import type { ReportDimension } from "../../../domain/Usage.ts"
import type { KeyCount, NeighbourCount, ReportRow } from "../../../domain/UsageReport.ts"

const keyOf = {
  tool: "tool_name",
  target: "target",
  server: "server",
  type: "type",
  agent: "agent",
  project: "project_hash",
  subagent: "subagent",
  day: "day",
} as const satisfies Record<ReportDimension, string>

type ProjectNames = ReadonlyMap<string, Project>

/** A dimension's value under its own name; a project has its folder's name besides, or null where that is not known. */
const keyToJson = (dimension: ReportDimension, key: string | null, projects: ProjectNames) => ({
  [keyOf[dimension]]: key,
  ...(dimension === "project" && key !== null ? { project: projects.get(key)?.name ?? null } : {}),
})

export const countsToJson = (
  dimension: ReportDimension,
  counts: ReadonlyArray<KeyCount | NeighbourCount>,
  projects: ProjectNames = new Map(),
) => counts.map(({ key, usage_count }) => ({ ...keyToJson(dimension, key, projects), usage_count }))

export const rowToJson = (dimension: ReportDimension, row: ReportRow, projects: ProjectNames = new Map()) => ({
  ...keyToJson(dimension, row.key, projects),
  usage_count: row.usage_count,
  failures: row.failures,
  last_used: row.last_used,
  interruptions: row.interruptions,
  share: row.share,
  sessions: row.sessions,
  median_ms: row.median_ms,
  p95_ms: row.p95_ms,
  previous_count: row.previous_count,
  trend: row.trend,
})
