import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AllProjects } from "../../domain/Project.ts"
import { format, hours, type TimeWindow } from "../../domain/TimeWindow.ts"
import { ReportDimension } from "../../domain/Usage.ts"
import { Projects } from "../../services/Projects.ts"
import { Retention } from "../../services/Retention.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { answer, resolveScope, type Scope } from "./answer.ts"
import { described } from "./command.ts"
import { folder, json, limit, since, utc } from "./options.ts"
import { gatherAbsence, renderAbsence, STATUS } from "./render/evidence.ts"
import { sentence } from "./render/text.ts"
import { describeWindow, projectNames, renderUsage, rowToJson } from "./render/usage.ts"

const DAY_MILLIS = 86_400_000

const by = Options.choice("by", ReportDimension.literals).pipe(
  Options.withDescription(
    "What to sum by: the tool, the target (a skill or subagent type that was called), the MCP server, the type of tool, the agent, the project, the subagent that called, or the day (of UTC).",
  ),
  Options.withDefault("tool" as const),
)

const LONGEST_DAYS = 365

/** The longest window to propose, in days: a year, or what is not pruned of it. */
const longestWindow = (pruned: Option.Option<string>) =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    Option.match(pruned, {
      onNone: () => LONGEST_DAYS,
      onSome: (day) => Math.min(LONGEST_DAYS, Math.floor((now - Date.parse(day)) / DAY_MILLIS)),
    }),
  )

const whereToLook = ({ selection }: Scope, since: TimeWindow, longestDays: number): string => {
  const furthest = longestDays === LONGEST_DAYS ? "1y" : `${longestDays}d`
  const furtherBack = hours(since) < longestDays * 24 ? [`further back with --since ${furthest}`] : []
  const places = selection === AllProjects ? furtherBack : [...furtherBack, "everywhere with --all-projects"]
  return [...(places.length > 0 ? [`Look ${places.join(", or ")}.`] : []), STATUS].join(" ")
}

export const top = Command.make(
  "top",
  { since, limit, by, folder, json, utc },
  ({ since, limit, by, folder, ...output }) =>
    answer(output, {
      ask: Effect.gen(function* () {
        const scope = yield* resolveScope(folder)
        const reports = yield* UsageReports
        const projects = yield* Projects
        const { prunedBefore } = yield* Retention
        const report = yield* reports.getReport(by, scope.selection, since)
        const isEmpty = Option.match(report, { onNone: () => true, onSome: ({ rows }) => rows.length === 0 })
        return {
          scope,
          report,
          projects: yield* projects.getAll,
          absence:
            isEmpty && !output.json
              ? Option.some({
                  ...(yield* gatherAbsence(scope, since)),
                  longestDays: yield* longestWindow(yield* prunedBefore({ project: scope.selection })),
                })
              : Option.none(),
        }
      }),
      toJson: (answer) =>
        answer === undefined || Option.isNone(answer.report)
          ? []
          : answer.report.value.rows.slice(0, limit).map((row) => rowToJson(by, row, answer.projects)),
      render: ({ scope, report, projects, absence }, view) => {
        const period = `in the last ${format(since)} ${scope.description}`
        if (Option.isSome(absence)) {
          const what = `No calls ${by === "tool" ? "" : `with a ${by} `}${period}.`
          return renderAbsence(what, whereToLook(scope, since, absence.value.longestDays), absence.value, view)
        }
        const { span, total, ...all } = Option.getOrThrow(report)
        const rows = all.rows.slice(0, limit)
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
