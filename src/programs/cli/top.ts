import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AllProjects } from "../../domain/Project.ts"
import { cutoff, during } from "../../domain/TimeWindow.ts"
import { ReportDimension } from "../../domain/Usage.ts"
import { Projects } from "../../services/Projects.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./command.ts"
import { json, limit, project, since, utc } from "./options.ts"
import { type Absence, gatherAbsence, renderAbsence, STATUS } from "./render/evidence.ts"
import { sentence } from "./render/text.ts"
import { describeWindow, projectNames, renderUsage, rowToJson } from "./render/usage.ts"

const DAY_MILLIS = 86_400_000

const by = Options.choice("by", ReportDimension.literals).pipe(
  Options.withDescription(
    "What to group by: tool, target (the skill or subagent type that was called), MCP server, type of tool, agent, project, the subagent that made the call, or day (UTC). Default: tool.",
  ),
  Options.withDefault("tool" as const),
)

const LONGEST_DAYS = 365

/** What else to ask: further back, up to a year or to what is pruned, or everywhere. */
const whereToLook = Effect.fn("whereToLook")(function* ({ scope: { selection }, evidence, window }: Absence) {
  const isUnused = evidence.verdict === "not enough" && evidence.reason === "nothing recorded"
  const { prunedOf } = yield* StoreUpkeep
  const pruned = yield* prunedOf({ project: selection })
  const now = yield* Clock.currentTimeMillis
  const days = Option.match(pruned, {
    onNone: () => LONGEST_DAYS,
    onSome: (day) => Math.min(LONGEST_DAYS, Math.floor((now - Date.parse(day)) / DAY_MILLIS)),
  })
  const isFurther = (yield* cutoff(window)) > (yield* cutoff({ amount: days, unit: "days" }))
  const places = [
    ...(isFurther && !isUnused ? [`further back with --since ${days === LONGEST_DAYS ? "1y" : `${days}d`}`] : []),
    ...(selection === AllProjects ? [] : ["everywhere with --all-projects"]),
  ]
  return [...(places.length > 0 ? [`Look ${places.join(", or ")}.`] : []), STATUS].join(" ")
})

export const top = Command.make(
  "top",
  { since, limit, by, project, json, utc },
  ({ since, limit, by, project, ...output }) =>
    answer(output, {
      ask: Effect.gen(function* () {
        const scope = yield* resolveScope(project)
        const reports = yield* UsageReports
        const projects = yield* Projects
        const report = yield* reports.getReport(by, scope.selection, since)
        const isEmpty = Option.match(report, { onNone: () => true, onSome: ({ rows }) => rows.length === 0 })
        return {
          scope,
          report,
          projects: yield* projects.getAll,
          absence:
            isEmpty && !output.json
              ? Option.some(yield* Effect.bind(gatherAbsence(scope, since), "hint", whereToLook))
              : Option.none(),
        }
      }),
      toJson: (answer) =>
        answer === undefined || Option.isNone(answer.report)
          ? []
          : answer.report.value.rows.slice(0, limit).map((row) => rowToJson(by, row, answer.projects)),
      render: ({ scope, report, projects, absence }, view) => {
        if (Option.isSome(absence)) {
          const what = `No calls ${by === "tool" ? "" : `with a ${by} `}${during(since)} ${scope.whereNone}.`
          return renderAbsence(what, absence.value.hint, absence.value, view)
        }
        const { span, total, ...all } = Option.getOrThrow(report)
        const rows = all.rows.slice(0, limit)
        const nameOf = by === "project" ? projectNames(projects) : undefined
        return [
          sentence(describeWindow(total, { window: since, scope }, view), view),
          "",
          renderUsage(rows, { title: by.toUpperCase(), span, areDays: by === "day", nameOf }, view),
          ...(by === "project" && scope.selection !== AllProjects
            ? ["", "This is one project; --all-projects shows all."]
            : []),
        ].join("\n")
      },
    }),
).pipe(
  described(
    "The most used tools: how often they are called, how often they fail, how long they take, and how that has changed.",
    "tooltrail top --since 30d --limit 5",
  ),
)
