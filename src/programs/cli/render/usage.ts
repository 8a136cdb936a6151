import { counted } from "../../../domain/counted.ts"
import { ofDay, type ReportSpan, steps } from "../../../domain/ReportSpan.ts"
import { format, type TimeWindow } from "../../../domain/TimeWindow.ts"
import type { KeyCount, ReportRow, ReportTotal } from "../../../domain/UsageReport.ts"
import type { View } from "../answer.ts"
import { bar, sparkline } from "./charts.ts"
import { change, duration, percent } from "./figures.ts"
import { type Column, renderTable } from "./table.ts"
import { paragraph } from "./text.ts"

/** A line from so many characters on is wide, and its charts are as well. */
const WIDE = 120

export interface UsageTableOptions {
  /** What the rows are, e.g. `TOOL`. */
  readonly title: string
  readonly span: ReportSpan
  /** How a key is shown; as it is where this is left out. */
  readonly nameOf?: ((key: string) => string) | undefined
  /** The rows are days, and their charts the hours of each. */
  readonly areDays?: boolean
  /** There is one session, or one day, only. */
  readonly withoutSessions?: boolean
}

/** What people ask of each tool (or whatever `title` names). */
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
    number("MEDIAN", (row) => duration(row.median_ms, glyphs), 2),
    number("P95", (row) => duration(row.p95_ms, glyphs), 4),
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

/** The same of a window, against the one before. `period` says which window, and of which project. */
export const describeWindow = (
  total: ReportTotal,
  period: string,
  window: TimeWindow,
  view: View,
): ReadonlyArray<string> => [
  `${counted(total.usage_count, "call")} ${period}`,
  counted(total.sessions, "session"),
  ...troubles(total),
  total.previous_count === null
    ? `the ${format(window)} before are not wholly recorded`
    : `${change(total.usage_count, total.previous_count, view.glyphs)} against the ${format(window)} before`,
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

/** What a list of single calls leaves out. */
export const describePruned = (before: string): string =>
  `Single calls from before ${before} are pruned; \`tooltrail trend\` shows their sums by day.`

/** An empty answer, said for a person. `hint` is what to try next. */
export const renderNone = (what: string, hint: string, view: View): string =>
  `${paragraph(what, view)}\n${paragraph(hint, view)}`
