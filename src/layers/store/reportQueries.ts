import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DetailPruned } from "../../domain/DetailPruned.ts"
import { AllProjects, type ProjectSelection } from "../../domain/Project.ts"
import { between, binStart, ofWindow } from "../../domain/ReportSpan.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import { cutoff, type TimeWindow } from "../../domain/TimeWindow.ts"
import { inferToolType } from "../../domain/ToolName.ts"
import { beginOf, withGaps } from "../../domain/Trend.ts"
import type { ReportDimension } from "../../domain/Usage.ts"
import { foldSums, inRuns, mostFirst, type ReportRow, type SumCell } from "../../domain/UsageReport.ts"
import type { UsageReports } from "../../services/UsageReports.ts"
import { makeCallQueries } from "./callQueries.ts"
import type { CallSelection } from "./callSelection.ts"
import { failingTo } from "./failingTo.ts"
import { needsDetailOf, readPrunedOf, readSessionPruned } from "./pruned.ts"
import { makeSumQueries } from "./sumQueries.ts"

/** The reports that `UsageReports` gives. */
export const makeReportQueries = (sql: SqlClient.SqlClient): Context.Tag.Service<UsageReports> => {
  const sums = makeSumQueries(sql)
  const calls = makeCallQueries(sql)
  const needDetail = needsDetailOf(sql)
  const prunedOf = readPrunedOf(sql)
  const sessionPruned = readSessionPruned(sql)

  /** The first call that is recorded, pruned or not. */
  const firstCall = (project: ProjectSelection) =>
    Effect.gen(function* () {
      const found = [yield* sums.first(project)]
      if (Option.isSome(yield* prunedOf({ project }))) found.push(yield* sums.firstPruned(project))
      const [first] = found.flatMap(({ first }) => first ?? []).sort()
      return Option.fromNullable(first)
    })

  /** The sums of a window and of what came before it. A tool's kind follows from its name, and so has the cells of tools. */
  const readCells = (dimension: ReportDimension, project: ProjectSelection, window: TimeWindow) =>
    Effect.gen(function* () {
      const { previousFrom, ...span } = yield* ofWindow(window)
      const first = yield* firstCall(AllProjects)
      const cells = yield* sums.cells({
        dimension: dimension === "type" ? "tool" : dimension,
        selection: { project, from: previousFrom },
        windowFrom: span.from,
        unit: dimension === "day" ? "hour" : span.unit,
      })
      const { is_there } = yield* sums.anyCall({ from: previousFrom, until: span.from })
      const isWhole = Option.isNone(yield* prunedOf({ project, from: previousFrom }))
      // Where nothing at all is recorded, nothing was recording.
      return { span, cells, hasPrevious: isWhole && Option.exists(first, (at) => at <= previousFrom) && is_there === 1 }
    })

  const readTotal = (selection: CallSelection, cells: ReadonlyArray<SumCell>, hasPrevious: boolean) =>
    Effect.gen(function* () {
      const total = foldSums(cells, () => "total", hasPrevious).get("total")
      if (total === undefined) return Option.none()
      return Option.some({ ...total, ...(yield* calls.allSessions(selection)) })
    })

  /** The rows of those cells that have a key, with what only the calls can tell. */
  const readRows = (
    dimension: ReportDimension,
    selection: CallSelection,
    { cells, hasPrevious, outOf }: { cells: ReadonlyArray<SumCell>; hasPrevious: boolean; outOf: number },
  ) =>
    Effect.gen(function* () {
      const tools = dimension === "type" ? [...new Set(cells.flatMap(({ key }) => key ?? []))] : []
      const details = yield* calls.details({ dimension, selection, tools })
      const keyOf = ({ key }: SumCell) => (dimension === "type" && key !== null ? inferToolType(key) : key)
      return [...foldSums(cells, keyOf, hasPrevious)]
        .flatMap(([key, row]) => (key === null ? [] : [{ key, ...row }]))
        .map(
          (row): ReportRow => ({
            ...row,
            share: row.usage_count / outOf,
            ...(details.get(row.key) ?? { sessions: 0, median_ms: null, p95_ms: null }),
          }),
        )
        .sort(mostFirst)
    })

  const readReport = (dimension: ReportDimension, project: ProjectSelection, window: TimeWindow) =>
    Effect.gen(function* () {
      const { span, cells, hasPrevious } = yield* readCells(dimension, project, window)
      const selection = { project, from: span.from }
      const total = yield* readTotal(selection, cells, hasPrevious)
      if (Option.isNone(total)) return Option.none()
      const rows = yield* readRows(dimension, selection, {
        cells,
        // A day of the window has no counterpart in the window before.
        hasPrevious: hasPrevious && dimension !== "day",
        outOf: total.value.usage_count,
      })
      return Option.some({ span, total: total.value, rows })
    })

  const readToolReport = (tool: string, project: ProjectSelection, window: TimeWindow) =>
    Effect.gen(function* () {
      const { span, cells, hasPrevious } = yield* readCells("tool", project, window)
      const inWindow = cells.filter((cell) => cell.in_window === 1)
      const selection = { project, from: span.from, tool }
      const [row] = yield* readRows("tool", selection, {
        cells: cells.filter(({ key }) => key === tool),
        hasPrevious,
        outOf: inWindow.reduce((sum, cell) => sum + cell.usage_count, 0),
      })
      if (row === undefined) return Option.none()
      return Option.some({
        span,
        row,
        days: (yield* sums.days(selection)).days,
        ...(yield* calls.neighbours(selection)),
        projects: yield* sums.counts({ dimension: "project", selection }),
        subagents: yield* sums.counts({ dimension: "subagent", selection }),
        targets: yield* sums.counts({ dimension: "target", selection }),
      })
    })

  const readSessionReport = (sessionId: string, pruned: Option.Option<DetailPruned>) =>
    Effect.gen(function* () {
      const { began, ended } = yield* calls.sessionSpan(sessionId)
      if (began === null || ended === null) return Option.none()
      const span = between(began, ended)
      const selection = { project: AllProjects, session: sessionId } as const
      const cells = yield* sums.cells({ dimension: "tool", selection, windowFrom: span.from, unit: span.unit })
      const total = yield* readTotal(selection, cells, false)
      if (Option.isNone(total)) return Option.none()
      const order = yield* calls.sessionOrder(sessionId)
      return Option.some({
        sessionId,
        prunedBefore: Option.map(pruned, ({ before }) => before),
        span,
        total: total.value,
        rows: yield* readRows("tool", selection, { cells, hasPrevious: false, outOf: total.value.usage_count }),
        projects: yield* sums.counts({ dimension: "project", selection }),
        subagents: yield* sums.counts({ dimension: "subagent", selection }),
        order: inRuns(order.map((call) => call.tool_name)),
      })
    })

  return {
    getReport: Effect.fn("UsageReports.getReport")(function* (dimension, project, window) {
      yield* needDetail({ project, from: yield* cutoff(window) })
      return yield* sql.withTransaction(readReport(dimension, project, window)).pipe(failingTo("report the usage"))
    }),

    getToolReport: Effect.fn("UsageReports.getToolReport")(function* (tool, project, window) {
      yield* needDetail({ project, from: yield* cutoff(window) })
      return yield* sql
        .withTransaction(readToolReport(tool, project, window))
        .pipe(failingTo("report the usage of a tool"))
    }),

    getSessionReport: Effect.fn("UsageReports.getSessionReport")(function* (session) {
      const [report, pruned] = yield* sessionPruned(session).pipe(
        Effect.flatMap((pruned) =>
          Effect.map(readSessionReport(session, pruned), (report) => [report, pruned] as const),
        ),
        sql.withTransaction,
        failingTo("report the usage of a session"),
      )
      return Option.isNone(report) && Option.isSome(pruned) ? yield* pruned.value : report
    }),

    getTrend: Effect.fn("UsageReports.getTrend")(function* ({ tool, project, window, unit }) {
      const first = beginOf(unit, yield* cutoff(window))
      const from = binStart(first)
      const points = yield* sums.trend({ selection: { project, tool: Option.getOrUndefined(tool), from }, unit })
      return points.length === 0 ? [] : withGaps(unit, points, first, beginOf(unit, yield* Timestamp.now))
    }, failingTo("report the trend")),

    getObservedFrom: Effect.fn("UsageReports.getObservedFrom")(
      (project) => firstCall(project),
      failingTo("find the first call"),
    ),
  }
}
