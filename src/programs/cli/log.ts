import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { AllProjects } from "../../domain/Project.ts"
import type { ToolUsageEvent } from "../../domain/Usage.ts"
import { Projects } from "../../services/Projects.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./described.ts"
import { folder, json, limit, utc } from "./options.ts"
import { renderTable } from "./table.ts"
import { renderNone } from "./usageTable.ts"

const outcome = (event: ToolUsageEvent) => (event.success === 1 ? "ok" : (event.failure_kind ?? "failed"))

/** What is told by the times in a transcript only is marked. */
const took = ({ duration_ms, duration_is_estimated }: ToolUsageEvent): string =>
  duration_ms === null ? "" : `${duration_is_estimated === 1 ? "~" : ""}${duration_ms} ms`

export const log = Command.make("log", { limit, folder, json, utc }, ({ limit, folder, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(folder)
      const events = yield* UsageEvents
      const projects = yield* Projects
      return { scope, rows: yield* events.getNewest(scope.selection, limit), projects: yield* projects.getAll }
    }),
    toJson: (answer) => answer?.rows ?? [],
    render: ({ scope, rows, projects }, view) => {
      const projectName = ({ project_hash: hash }: ToolUsageEvent) =>
        hash === null ? "" : (projects.get(hash)?.name ?? hash)
      return rows.length > 0
        ? renderTable(
            [
              { title: "WHEN", value: (row) => view.time(row.created_at) },
              { title: "TOOL", value: (row) => row.tool_name, atLeast: 10 },
              { title: "TARGET", value: (row) => row.target ?? row.server_name ?? "", atLeast: 8, dispensable: 3 },
              {
                title: "OUTCOME",
                value: outcome,
                paint: (text, row) => (row.success === 1 ? view.colors.green(text) : view.colors.red(text)),
              },
              {
                title: "TOOK",
                align: "right",
                value: took,
              },
              ...(scope.selection === AllProjects
                ? [{ title: "PROJECT", value: projectName, atLeast: 8, dispensable: 4 }]
                : []),
              { title: "SUBAGENT", value: (row) => row.subagent ?? "", atLeast: 8, dispensable: 2 },
              { title: "SESSION", value: (row) => row.session_id ?? "", atLeast: 9, dispensable: 1 },
            ],
            rows,
            view,
          )
        : renderNone(`No call is recorded ${scope.description}.`, "Look everywhere with --all-projects.", view)
    },
  }),
).pipe(described("The newest calls, newest first.", "tooltrail log --limit 50 --utc"))
