import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AllProjects, type Project } from "../../domain/Project.ts"
import type { ToolUsageEvent } from "../../domain/ToolUse.ts"
import { Projects } from "../../services/Projects.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { answer, resolveScope, type Scope, type View } from "./answer.ts"
import { described } from "./command.ts"
import { json, limit, project, utc } from "./options.ts"
import { type Absence, gatherAbsence, renderAbsence, STATUS } from "./render/evidence.ts"
import { renderTable } from "./render/table.ts"
import { paragraph } from "./render/text.ts"
import { describePruned, renderNone } from "./render/usage.ts"

const outcome = (event: ToolUsageEvent) => (event.success === 1 ? "ok" : (event.failure_kind ?? "failed"))

/** A duration that was estimated from a transcript is marked. */
const took = ({ duration_ms, duration_is_estimated }: ToolUsageEvent): string =>
  duration_ms === null ? "" : `${duration_is_estimated === 1 ? "~" : ""}${duration_ms} ms`

interface NewestCalls {
  readonly scope: Scope
  readonly rows: ReadonlyArray<ToolUsageEvent>
  readonly projects: ReadonlyMap<string, Project>
}

const renderCalls = ({ scope, rows, projects }: NewestCalls, view: View): string => {
  const projectName = ({ project_hash: hash }: ToolUsageEvent) =>
    hash === null ? "" : (projects.get(hash)?.name ?? hash)
  return renderTable(
    [
      { title: "WHEN", value: (row) => view.time(row.created_at) },
      { title: "TOOL", value: (row) => row.tool_name, atLeast: 10 },
      { title: "TARGET", value: (row) => row.target ?? row.server_name ?? "", atLeast: 8, dispensable: 3 },
      {
        title: "OUTCOME",
        value: outcome,
        paint: (text, row) => (row.success === 1 ? view.colors.green(text) : view.colors.red(text)),
      },
      { title: "TOOK", align: "right", value: took },
      ...(scope.selection === AllProjects
        ? [{ title: "PROJECT", value: projectName, atLeast: 8, dispensable: 4 }]
        : []),
      { title: "SUBAGENT", value: (row) => row.subagent ?? "", atLeast: 8, dispensable: 2 },
      { title: "SESSION", value: (row) => row.session_id ?? "", atLeast: 9, dispensable: 1 },
    ],
    rows,
    view,
  )
}

const isPruned = ({ created_at }: ToolUsageEvent, prunedBefore: Option.Option<string>) =>
  Option.exists(prunedBefore, (day) => created_at < day)

const renderNoCalls = (absence: Absence, pruned: Option.Option<string>, view: View): string => {
  const { evidence, scope } = absence
  const wasCalled = !("reason" in evidence && evidence.reason === "nothing recorded")
  const hint = scope.selection === AllProjects ? STATUS : "Look everywhere with --all-projects."
  return Option.isSome(pruned) && wasCalled
    ? renderNone(`No calls are left ${scope.whereNone}.`, pruned.value, view)
    : renderAbsence(`No calls ${scope.whereNone}.`, hint, absence, view)
}

export const log = Command.make("log", { limit, project, json, utc }, ({ limit, project, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(project)
      const events = yield* UsageEvents
      const projects = yield* Projects
      const { prunedOf } = yield* StoreUpkeep
      const rows = yield* events.getNewest(scope.selection, limit)
      const before = yield* prunedOf({ project: scope.selection })
      // Other calls of their time may be pruned.
      const isCut = rows.length < limit || rows.some((row) => isPruned(row, before))
      const pruned = isCut ? Option.map(before, describePruned) : Option.none()
      if (output.json && Option.isSome(pruned)) yield* Effect.logWarning(pruned.value)
      return {
        newest: { scope, rows, projects: yield* projects.getAll },
        pruned,
        absence: rows.length === 0 && !output.json ? Option.some(yield* gatherAbsence(scope)) : Option.none(),
      }
    }),
    toJson: (answer) => answer?.newest.rows ?? [],
    render: ({ newest, pruned, absence }, view) =>
      Option.isSome(absence)
        ? renderNoCalls(absence.value, pruned, view)
        : [renderCalls(newest, view), ...Option.toArray(pruned).flatMap((note) => ["", paragraph(note, view)])].join(
            "\n",
          ),
  }),
).pipe(described("The latest calls, newest first.", "tooltrail log --limit 50 --utc"))
