import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AllProjects } from "../../domain/Project.ts"
import { toEpochMillis } from "../../domain/Timestamp.ts"
import { printable } from "../../domain/text.ts"
import type { Run } from "../../domain/UsageReport.ts"
import { Projects } from "../../services/Projects.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { answer, resolveScope, type View } from "./answer.ts"
import { described } from "./command.ts"
import { argument, json, utc } from "./options.ts"
import { duration } from "./render/charts.ts"
import { gatherAbsence, renderAbsence } from "./render/evidence.ts"
import { cut, paragraph, renderDetails } from "./render/text.ts"
import {
  countsToJson,
  describeOutcome,
  describePruned,
  namedCounts,
  projectNames,
  renderNone,
  renderUsage,
  rowToJson,
} from "./render/usage.ts"

const id = argument("id", "The session's id. Default: the newest session.").pipe(Args.optional)

/** How many runs are shown from the beginning, and from the end. */
const RUNS_SHOWN = 5
const RUN_WIDTH = 24

/** How many tools are shown: the answer should fit on one screen. */
const TOOLS_SHOWN = 12

const inBrief = (order: ReadonlyArray<Run>, { glyphs }: View): ReadonlyArray<string> => {
  const shown = order.map((run) => {
    const name = cut(printable(run.key), RUN_WIDTH, { glyphs })
    return run.times > 1 ? `${name} ${glyphs.times}${run.times}` : name
  })
  const between = shown.length - 2 * RUNS_SHOWN
  return between > 1
    ? [...shown.slice(0, RUNS_SHOWN), `${glyphs.cut} ${between} more ${glyphs.cut}`, ...shown.slice(-RUNS_SHOWN)]
    : shown
}

export const session = Command.make("session", { id, json, utc }, ({ id, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const events = yield* UsageEvents
      const reports = yield* UsageReports
      const projects = yield* Projects
      const { prunedOf } = yield* StoreUpkeep
      const chosen = Option.isSome(id) ? id : yield* events.getNewestSession
      const report = Option.flatten(yield* Effect.transposeMapOption(chosen, reports.getSessionReport))
      return {
        chosen,
        report,
        projects: yield* projects.getAll,
        pruned: Option.isNone(report)
          ? Option.map(yield* prunedOf({ project: AllProjects }), describePruned)
          : Option.none(),
        absence:
          Option.isNone(report) && !output.json
            ? Option.some(yield* gatherAbsence(yield* resolveScope(Option.none())))
            : Option.none(),
      }
    }),
    toJson: (answer) => {
      if (answer === undefined || Option.isNone(answer.report)) return []
      const { sessionId, prunedBefore, span, rows, projects } = answer.report.value
      return rows.map((row) => ({
        ...rowToJson("tool", row),
        session_id: sessionId,
        session_began: span.from,
        session_ended: span.until,
        pruned_before: Option.getOrNull(prunedBefore),
        projects: countsToJson("project", projects, answer.projects),
      }))
    },
    render: ({ chosen, report, pruned, projects, absence }, view) => {
      if (Option.isSome(pruned)) {
        const whose = Option.match(chosen, { onNone: () => "with a session", onSome: (id) => `of the session ${id}` })
        return renderNone(`No calls ${whose} are left.`, pruned.value, view)
      }
      if (Option.isSome(absence)) {
        return renderAbsence(
          Option.match(chosen, {
            onNone: () => "No calls with a session are recorded.",
            onSome: (session) => `No calls in the session ${session}.`,
          }),
          "`tooltrail log --all-projects --json` shows the newest calls with their sessions.",
          absence.value,
          view,
        )
      }
      const { sessionId, prunedBefore, span, total, rows, order, ...where } = Option.getOrThrow(report)
      const millis = toEpochMillis(span.until) - toEpochMillis(span.from)
      const nameOf = projectNames(projects)
      return [
        renderDetails(
          [
            { label: "Session", parts: [sessionId] },
            {
              label: "Project",
              parts:
                where.projects.length === 1
                  ? where.projects.map(({ key }) => nameOf(key))
                  : namedCounts(where.projects, nameOf),
            },
            {
              label: "Time",
              parts: [
                [...new Set([span.from, span.until].map(view.time))].join(" to "),
                ...(millis > 0 ? [duration(millis, view.glyphs)] : []),
              ],
            },
            { label: "Calls", parts: describeOutcome(total) },
            { label: "Subagents", parts: namedCounts(where.subagents) },
            { label: "Order", parts: inBrief(order, view), separator: ` ${view.glyphs.arrow}` },
          ],
          view,
        ),
        "",
        renderUsage(rows.slice(0, TOOLS_SHOWN), { title: "TOOL", span, withoutSessions: true }, view),
        ...(rows.length > TOOLS_SHOWN ? ["", `${rows.length - TOOLS_SHOWN} more; --json shows all.`] : []),
        ...Option.toArray(prunedBefore).flatMap((day) => [
          "",
          paragraph(`Its calls before ${day} are pruned and not shown.`, view),
        ]),
      ].join("\n")
    },
  }),
).pipe(
  described(
    "What one session used, when, in which order, and what failed.",
    "tooltrail session 8bbcceab-0b3e-4e24-98c9-ec146b1ca8c6",
  ),
)
