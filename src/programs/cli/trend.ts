import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AllProjects } from "../../domain/Project.ts"
import { during } from "../../domain/TimeWindow.ts"
import { counted } from "../../domain/text.ts"
import { type TrendPoint, TrendUnit } from "../../domain/UsageReport.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { answer, resolveScope, type View } from "./answer.ts"
import { described } from "./command.ts"
import { argument, json, project, sinceOr } from "./options.ts"
import { bar, percent } from "./render/charts.ts"
import { gatherAbsence, renderAbsence } from "./render/evidence.ts"
import { renderTable } from "./render/table.ts"
import { sentence } from "./render/text.ts"

const WIDEST_BAR = 40
const NARROWEST_BAR = 10

/** What the columns beside the bar take. */
const BESIDE = 30

const by = Options.choice("by", TrendUnit.literals).pipe(
  Options.withDescription("Count by day, week (from Monday) or month, in UTC. Default: month."),
  Options.withDefault("month" as const),
)

const name = argument("name", "The tool. Default: all tools.").pipe(Args.optional)

const renderTrend = (points: ReadonlyArray<TrendPoint>, unit: TrendUnit, view: View): string => {
  const most = Math.max(...points.map((point) => point.usage_count))
  const barWidth = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, view.width - BESIDE))
  return renderTable(
    [
      {
        title: unit === "week" ? "WEEK OF" : unit.toUpperCase(),
        value: ({ from }) => (unit === "month" ? from.slice(0, 7) : from),
      },
      { title: "CALLS", align: "right", value: (point) => String(point.usage_count) },
      { title: "", value: (point) => bar(point.usage_count / most, barWidth, view.glyphs) },
      {
        title: "FAIL",
        align: "right",
        value: (point) => (point.usage_count === 0 ? "" : percent(point.failures, point.usage_count)),
        paint: (text, point) => (point.failures > 0 ? view.colors.red(text) : view.colors.dim(text)),
      },
    ],
    points,
    view,
  )
}

export const trend = Command.make(
  "trend",
  { name, since: sinceOr("1y"), by, project, json },
  ({ name, since, by, project, json }) =>
    answer(
      { json },
      {
        ask: Effect.gen(function* () {
          const scope = yield* resolveScope(project)
          const reports = yield* UsageReports
          const points = yield* reports.getTrend({ tool: name, project: scope.selection, window: since, unit: by })
          const isUnknown = points.length === 0 && !json
          return {
            scope,
            points,
            absence: isUnknown ? Option.some(yield* gatherAbsence(scope, since)) : Option.none(),
          }
        }),
        toJson: (answer) => answer?.points ?? [],
        render: ({ scope, points, absence }, view) => {
          const what = Option.match(name, { onNone: () => "", onSome: (tool) => ` to ${tool}` })
          if (Option.isSome(absence)) {
            const hint =
              scope.selection === AllProjects
                ? "Look further back with --since."
                : "Look everywhere with --all-projects."
            return renderAbsence(`No calls${what} ${during(since)} ${scope.whereNone}.`, hint, absence.value, view)
          }
          const calls = points.reduce((sum, point) => sum + point.usage_count, 0)
          // The first day, week or month is shown whole, even if the window begins within it.
          const whole = `since ${points[0]?.from} (UTC) ${scope.where}`
          return [
            sentence([`${counted(calls, "call")}${what} ${whole}`], view),
            "",
            renderTrend(points, by, view),
          ].join("\n")
        },
      },
    ),
).pipe(described("How often tools were called over time.", "tooltrail trend Bash --since 12w --by week"))
