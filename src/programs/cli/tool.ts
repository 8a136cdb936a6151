import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { lastUse } from "../../domain/foldUses.ts"
import { AllProjects } from "../../domain/Project.ts"
import { during } from "../../domain/TimeWindow.ts"
import type { ToolRegistryRow } from "../../domain/Tool.ts"
import { counted } from "../../domain/text.ts"
import type { NeighbourCount } from "../../domain/UsageReport.ts"
import { Projects } from "../../services/Projects.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { answer, resolveScope, type View } from "./answer.ts"
import { described } from "./command.ts"
import { argument, json, project, since, utc } from "./options.ts"
import { type Absence, gatherAbsence, renderAbsence } from "./render/evidence.ts"
import { renderDetails } from "./render/text.ts"
import {
  countsToJson,
  describeSizes,
  describeWindow,
  namedCounts,
  projectNames,
  renderUsage,
  rowToJson,
} from "./render/usage.ts"

const name = argument("name", "The tool's name as the agent calls it.")

/** What was called next to a tool, or what is there instead of a call. */
const named = (neighbours: ReadonlyArray<NeighbourCount>, ifNone: string) =>
  namedCounts(neighbours.map(({ key, usage_count }) => ({ key: key ?? ifNone, usage_count })))

interface ToolAbsence extends Absence {
  /** The day before which calls are pruned. */
  readonly pruned: Option.Option<string>
}

/** What else is known of a tool that has no calls in the window. */
const whatIsKnown = (name: string, { scope, coverage, registry, pruned }: ToolAbsence, view: View): string => {
  const missing = coverage.missing_tools.find(({ tool_name }) => tool_name === name)
  if (missing !== undefined) {
    return `Transcripts show ${counted(missing.calls, "call")} to it that ${missing.calls === 1 ? "is" : "are"} not recorded; \`tooltrail reconcile\` adds them.`
  }
  const rows = registry.filter((row) => row.name === name)
  const isHere = (row: ToolRegistryRow) => scope.selection === AllProjects || row.project_hash === scope.selection
  const lastHere = lastUse(rows.filter(isHere))
  if (Option.isSome(lastHere)) {
    const last = `It was last called ${view.time(lastHere.value)}`
    const trend = `tooltrail trend ${name}${scope.selection === AllProjects ? " --all-projects" : ""} --since 20y`
    return Option.exists(pruned, (day) => lastHere.value < day)
      ? `${last}, but calls that old are pruned; \`${trend}\` shows its calls by month.`
      : `${last}; look further back with --since.`
  }
  return Option.match(lastUse(rows), {
    onNone: () => "`tooltrail tools --all-projects` lists all known tools.",
    onSome: (last) => `It was last called ${view.time(last)}, in another project; look everywhere with --all-projects.`,
  })
}

export const tool = Command.make("tool", { name, since, project, json, utc }, ({ name, since, project, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(project)
      const reports = yield* UsageReports
      const projects = yield* Projects
      const { prunedOf } = yield* StoreUpkeep
      const report = yield* reports.getToolReport(name, scope.selection, since)
      return {
        scope,
        report,
        projects: yield* projects.getAll,
        absence:
          Option.isNone(report) && !output.json
            ? Option.some<ToolAbsence>({
                ...(yield* gatherAbsence(scope, since)),
                pruned: yield* prunedOf({ project: scope.selection, tool: name }),
              })
            : Option.none(),
      }
    }),
    toJson: (answer) => {
      if (answer === undefined || Option.isNone(answer.report)) return null
      const { row, days, before, after, projects, subagents, targets } = answer.report.value
      return {
        ...rowToJson("tool", row),
        days,
        before: countsToJson("tool", before),
        after: countsToJson("tool", after),
        projects: countsToJson("project", projects, answer.projects),
        subagents: countsToJson("subagent", subagents),
        targets: countsToJson("target", targets),
      }
    },
    render: ({ scope, report, projects, absence }, view) => {
      if (Option.isSome(absence)) {
        return renderAbsence(
          `No calls to ${name} ${during(since)} ${scope.whereNone}.`,
          whatIsKnown(name, absence.value, view),
          absence.value,
          view,
        )
      }
      const { span, row, days, before, after, ...where } = Option.getOrThrow(report)
      return [
        renderDetails(
          [
            { label: "Tool", parts: [name] },
            { label: "Calls", parts: describeWindow(row, { window: since, scope }, view) },
            { label: "Active", parts: [`on ${counted(days, "day")} (UTC)`] },
            { label: "Sizes", parts: describeSizes(row) },
            {
              label: "Projects",
              parts: scope.selection === AllProjects ? namedCounts(where.projects, projectNames(projects)) : [],
            },
            { label: "Subagents", parts: namedCounts(where.subagents) },
            { label: "Targets", parts: namedCounts(where.targets) },
            { label: "Before it", parts: named(before, "the session's start") },
            { label: "After it", parts: named(after, "the session's end") },
          ],
          view,
        ),
        "",
        renderUsage([row], { title: "TOOL", span }, view),
      ].join("\n")
    },
  }),
).pipe(
  described(
    "How one tool was used: how often, in which projects, how often it failed, and what was called before and after it.",
    "tooltrail tool Bash --since 24h",
  ),
)
