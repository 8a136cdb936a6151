import { AllProjects, type Project } from "../../../domain/Project.ts"
import { during, previous, type TimeWindow } from "../../../domain/TimeWindow.ts"
import { counted } from "../../../domain/text.ts"
import type { ReportDimension } from "../../../domain/Usage.ts"
import type { KeyCount, NeighbourCount, ReportRow, ReportTotal } from "../../../domain/UsageReport.ts"
import { ofDay, type ReportSpan, steps } from "../../../domain/UsageReport.ts"
import type { Scope, View } from "../answer.ts"
import { bar, change, duration, percent, sparkline } from "./charts.ts"
import { type Column, renderTable } from "./table.ts"
import { paragraph } from "./text.ts"

/** From so many characters on, a line has room for wider charts. */
const WIDE = 120

export interface UsageTableOptions {
  /** What the rows are, e.g. `TOOL`. */
  readonly title: string
  readonly span: ReportSpan
  /** How a key is shown. Default: as it is. */
  readonly nameOf?: ((key: string) => string) | undefined
  /** The rows are days, and each chart shows the hours of one. */
  readonly areDays?: boolean
  /** All calls are of one session. */
  readonly withoutSessions?: boolean
}

/** A table of what people ask about each tool, or about what `title` names. */
export const renderUsage = (rows: ReadonlyArray<ReportRow>, options: UsageTableOptions, view: View): string => {
  const { colors, glyphs } = view
  const [barWidth, sparkWidth] = view.width >= WIDE ? [10, 16] : [4, 8]
  const most = Math.max(...rows.map((row) => row.usage_count))
  const number = (title: string, value: (row: ReportRow) => string, dispensable?: number): Column<ReportRow> => ({
    title,
    align: "right",
    value,
    dispensable,
  })
  const rank = ({ is_approximate }: ReportRow, millis: number | null) =>
    millis !== null && is_approximate ? `~${duration(millis, glyphs)}` : duration(millis, glyphs)
  const columns: ReadonlyArray<Column<ReportRow>> = [
    { title: options.title, atLeast: 12, value: (row) => options.nameOf?.(row.key) ?? row.key },
    number("CALLS", (row) => String(row.usage_count)),
    {
      title: "SHARE",
      dispensable: 6,
      value: (row) => `${bar(row.usage_count / most, barWidth, glyphs)} ${percent(row.share, 1).padStart(4)}`,
    },
    {
      ...number("FAIL", (row) => percent(row.failures, row.usage_count)),
      paint: (text, row) => (row.failures > 0 ? colors.red(text) : colors.dim(text)),
    },
    number("MEDIAN", (row) => rank(row, row.median_ms), 2),
    number("P95", (row) => rank(row, row.p95_ms), 4),
    ...(options.withoutSessions ? [] : [number("SESS", (row) => String(row.sessions), 1)]),
    {
      title: "TREND",
      dispensable: 5,
      value: (row) => sparkline(steps(row.trend, options.areDays ? ofDay(row.key) : options.span, sparkWidth), glyphs),
    },
    ...(rows.every((row) => row.previous_count === null)
      ? []
      : [number("CHANGE", (row) => change(row.usage_count, row.previous_count, glyphs), 3)]),
    { title: "LAST USED", optional: true, value: (row) => view.time(row.last_used) },
  ]
  return renderTable(columns, rows, view)
}

const troubles = ({ failures, interruptions }: ReportTotal): ReadonlyArray<string> => [
  ...(failures > 0 ? [`${failures} failed`] : []),
  ...(interruptions > 0 ? [`${interruptions} interrupted`] : []),
]

/** `3 calls`, and how many of them failed and were interrupted. */
export const describeOutcome = (total: ReportTotal): ReadonlyArray<string> => [
  counted(total.usage_count, "call"),
  ...troubles(total),
]

/** The same for a window, compared with the one before. */
export const describeWindow = (
  total: ReportTotal,
  { window, scope }: { readonly window: TimeWindow; readonly scope: Scope },
  view: View,
): ReadonlyArray<string> => [
  ...(scope.selection === AllProjects
    ? [`${counted(total.usage_count, "call")} ${during(window)}`, scope.where]
    : [`${counted(total.usage_count, "call")} ${during(window)} ${scope.where}`]),
  counted(total.sessions, "session"),
  ...troubles(total),
  total.previous_count === null
    ? `no full record of ${previous(window)} to compare with`
    : `${change(total.usage_count, total.previous_count, view.glyphs)} against ${previous(window)}`,
  `last call ${view.time(total.last_used)}`,
]

/** The first few, with their counts, and how many more there are. */
export const namedCounts = (
  counts: ReadonlyArray<KeyCount>,
  nameOf: (key: string) => string = (key) => key,
): ReadonlyArray<string> => [
  ...counts.slice(0, 5).map(({ key, usage_count }) => `${nameOf(key)} ${usage_count}`),
  ...(counts.length > 5 ? [`${counts.length - 5} more`] : []),
]

/** What a list of calls leaves out. */
export const describePruned = (before: string): string =>
  `Calls before ${before} are pruned; \`tooltrail trend\` still shows their daily sums.`

const BYTES_PER_TOKEN = 4

/** `12 kB in`, `3.4 MB out`, `about 850k tokens`: the sizes of inputs and outputs; nothing if none is known. */
export const describeSizes = ({ input_bytes, output_bytes }: ReportRow): ReadonlyArray<string> => {
  const inUnits = (count: number, units: ReadonlyArray<string>) => {
    const place = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3))
    const scaled = count / 1000 ** place
    return `${place === 0 || scaled >= 100 ? Math.round(scaled) : Number(scaled.toPrecision(2))}${units[place]}`
  }
  const bytes = (count: number) => inUnits(count, [" bytes", " kB", " MB", " GB"])
  const tokens = (input_bytes + output_bytes) / BYTES_PER_TOKEN
  return tokens === 0
    ? []
    : [`${bytes(input_bytes)} in`, `${bytes(output_bytes)} out`, `about ${inUnits(tokens, ["", "k", "M", "G"])} tokens`]
}

/** An empty answer, with what to try next. */
export const renderNone = (what: string, hint: string, view: View): string =>
  `${paragraph(what, view)}\n${paragraph(hint, view)}`

/** How reports name the project of a hash: by its folder's name, by its path if two share the name, or by the hash if it is unknown. */
export const projectNames = (projects: ReadonlyMap<string, Project>): ((hash: string) => string) => {
  const roots = new Map<string, number>()
  for (const { name } of projects.values()) roots.set(name, (roots.get(name) ?? 0) + 1)
  return (hash) => {
    const project = projects.get(hash)
    if (project === undefined) return hash
    return roots.get(project.name) === 1 ? project.name : project.root
  }
}

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

/** A value under its dimension's name. A project also gets its folder's name, or null if that is unknown. */
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
  is_approximate: row.is_approximate,
  input_bytes: row.input_bytes,
  output_bytes: row.output_bytes,
  previous_count: row.previous_count,
  trend: row.trend,
})
