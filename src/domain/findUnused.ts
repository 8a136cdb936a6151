import { AllProjects, type ProjectSelection } from "./Project.ts"
import type { Timestamp } from "./Timestamp.ts"
import type { ToolRegistryRow, ToolScope, ToolType } from "./Tool.ts"
import { extractServerName } from "./ToolName.ts"

/** A tool, or a whole MCP server, that was not called. */
export interface Unused {
  readonly name: string
  readonly type: ToolType
  readonly scope: ToolScope
  readonly server: string | null
  /** The known tools of a whole server; for a tool, itself. */
  readonly tools: ReadonlyArray<string>
  /** Of all time. */
  readonly usage_count: number
  readonly last_used: Timestamp | null
}

interface Known extends Unused {
  /** The part of a tool's name that names its server. */
  readonly segment: string | null
}

const known = (row: ToolRegistryRow): Known => {
  const isServer = row.tool_type === "mcp_server"
  const segment =
    isServer || row.tool_type === "mcp_tool"
      ? (extractServerName(row.name) ?? row.server_name ?? (isServer ? row.name : null))
      : null
  return {
    name: row.name,
    type: row.tool_type,
    scope: row.scope,
    server: row.server_name ?? segment,
    tools: isServer ? [] : [row.name],
    usage_count: 0,
    last_used: null,
    segment,
  }
}

const later = (a: Timestamp | null, b: Timestamp | null) => (a === null || (b !== null && b > a) ? b : a)

const isMcp = ({ type }: Unused) => type === "mcp_server" || type === "mcp_tool"

/** Servers first, then their single tools, what plugins bring, skills, the rest. */
const rank = (unused: Unused): number => {
  const whole = unused.type === "mcp_server" ? 0 : 1
  if (unused.scope === "plugin" || unused.type === "plugin") return 2 + whole
  if (isMcp(unused)) return whole
  return unused.type === "skill" || unused.type === "slash_command" ? 4 : 5
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** The tools in scope for a project, with their uses there. A use without a project may have been in any, so it counts. */
const inScope = (registry: ReadonlyArray<ToolRegistryRow>, project: ProjectSelection): ReadonlyArray<Known> => {
  const isHere = (row: ToolRegistryRow) => project === AllProjects || row.project_hash === project
  const tools = new Map<string, Known>()
  for (const row of registry) {
    if (row.scope === "project" && !isHere(row)) continue
    const tool = tools.get(row.name) ?? known(row)
    const isOwnName = tool.server !== null && tool.server !== tool.segment
    tools.set(row.name, isOwnName ? tool : { ...tool, server: row.server_name ?? tool.server })
  }
  for (const row of registry) {
    const tool = tools.get(row.name)
    if (tool === undefined || !(isHere(row) || row.project_hash === null)) continue
    tools.set(row.name, {
      ...tool,
      usage_count: tool.usage_count + row.usage_count,
      last_used: later(tool.last_used, row.last_used_at),
    })
  }
  return [...tools.values()]
}

/** One entry for all tools of an MCP server. */
const asServer = (segment: string, tools: ReadonlyArray<Known>): Unused => {
  const server = tools.find((tool) => tool.server !== null && tool.server !== segment)?.server ?? segment
  return {
    name: server,
    type: "mcp_server",
    scope: tools[0]?.scope ?? "global",
    server,
    tools: tools.flatMap((tool) => tool.tools).sort(compare),
    usage_count: tools.reduce((sum, tool) => sum + tool.usage_count, 0),
    last_used: tools.reduce<Timestamp | null>((last, tool) => later(last, tool.last_used), null),
  }
}

/**
 * The tools in scope that were not called since `windowStart`, by the registry and by `alsoCalled`. The order: MCP servers,
 * their single tools, plugins, skills, the rest; then never used first, longest unused first, by name. If none of a server's
 * tools was called, the server is one entry.
 */
export const findUnused = (
  registry: ReadonlyArray<ToolRegistryRow>,
  project: ProjectSelection,
  windowStart: Timestamp,
  alsoCalled: ReadonlySet<string> = new Set(),
): ReadonlyArray<Unused> => {
  const wasCalled = ({ name, last_used }: Known) =>
    (last_used !== null && last_used >= windowStart) || alsoCalled.has(name)
  const tools = inScope(registry, project)
  const namesInUse = new Set<string | null>([
    ...tools.filter(wasCalled).flatMap(({ server, segment }) => [server, segment]),
    ...[...alsoCalled].map(extractServerName),
  ])
  const isOfServerInUse = ({ server, segment }: Known) => namesInUse.has(server) || namesInUse.has(segment)

  const servers = new Map<string, Array<Known>>()
  const single: Array<Unused> = []
  for (const tool of tools.filter((tool) => !wasCalled(tool))) {
    if (tool.segment !== null && !isOfServerInUse(tool)) {
      servers.set(tool.segment, [...(servers.get(tool.segment) ?? []), tool])
    } else if (tool.type !== "mcp_server") {
      const { segment: _, ...unused } = tool
      single.push(unused)
    }
  }
  return [...[...servers].map(([segment, of]) => asServer(segment, of)), ...single].sort(
    (a, b) => rank(a) - rank(b) || compare(a.last_used ?? "", b.last_used ?? "") || compare(a.name, b.name),
  )
}
