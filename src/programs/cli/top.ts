import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AllProjects } from "../../domain/Project.ts"
import { format } from "../../domain/TimeWindow.ts"
import { ReportDimension } from "../../domain/Usage.ts"
import { Projects } from "../../services/Projects.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./described.ts"
import { folder, json, limit, since, utc } from "./options.ts"
import { projectNames } from "./projectNames.ts"
import { rowToJson } from "./reportJson.ts"
import { sentence } from "./text.ts"
import { describeWindow, renderNone, renderUsage } from "./usageTable.ts"

const by = Options.choice("by", ReportDimension.literals).pipe(
  Options.withDescription(
    "What to sum by: the tool, the target (a skill or subagent type that was called), the MCP server, the type of tool, the agent, the project, the subagent that called, or the day (of UTC).",
  ),
  Options.withDefault("tool" as const),
)

export const top = Command.make(
  "top",
  { since, limit, by, folder, json, utc },
  ({ since, limit, by, folder, ...output }) =>
    answer(output, {
      ask: Effect.gen(function* () {
        const scope = yield* resolveScope(folder)
        const reports = yield* UsageReports
        const projects = yield* Projects
        return {
          scope,
          report: yield* reports.getReport(by, scope.selection, since),
          projects: yield* projects.getAll,
        }
      }),
      toJson: (answer) =>
        answer === undefined || Option.isNone(answer.report)
          ? []
          : answer.report.value.rows.slice(0, limit).map((row) => rowToJson(by, row, answer.projects)),
      render: ({ scope, report, projects }, view) => {
        const period = `in the last ${format(since)} ${scope.description}`
        const rows = Option.match(report, { onNone: () => [], onSome: ({ rows }) => rows.slice(0, limit) })
        if (Option.isNone(report) || rows.length === 0) {
          return renderNone(
            `No calls ${by === "tool" ? "" : `with a ${by} `}${period}.`,
            scope.selection === AllProjects
              ? "Look further back with --since 1y; `tooltrail status` says whether the hook runs."
              : "Look further back with --since 30d, or everywhere with --all-projects.",
            view,
          )
        }
        const { span, total } = report.value
        const nameOf = by === "project" ? projectNames(projects) : undefined
        return [
          sentence(describeWindow(total, period, since, view), view),
          "",
          renderUsage(rows, { title: by.toUpperCase(), span, areDays: by === "day", nameOf }, view),
          ...(by === "project" && scope.selection !== AllProjects
            ? ["", "One project; --all-projects shows all."]
            : []),
        ].join("\n")
      },
    }),
).pipe(
  described(
    "The most used tools: how often, how often they failed, how long they took, and how that changed.",
    "tooltrail top --since 30d --limit 5",
  ),
)
