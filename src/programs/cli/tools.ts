import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { AllProjects } from "../../domain/Project.ts"
import type { ToolRegistryRow } from "../../domain/Tool.ts"
import { Projects } from "../../services/Projects.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./command.ts"
import { json, project, utc } from "./options.ts"
import { renderTable } from "./render/table.ts"
import { renderNone } from "./render/usage.ts"

export const tools = Command.make("tools", { project, json, utc }, ({ project, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(project)
      const registry = yield* ToolRegistry
      const projects = yield* Projects
      return {
        scope,
        rows: yield* registry.getAvailableForSession(scope.selection),
        projects: yield* projects.getAll,
      }
    }),
    toJson: (answer) => answer?.rows ?? [],
    render: ({ scope, rows, projects }, view) => {
      const isHere = (row: ToolRegistryRow) => scope.selection === AllProjects || row.project_hash === scope.selection
      return rows.length > 0
        ? renderTable(
            [
              { title: "TOOL", atLeast: 20, value: (row) => row.name },
              { title: "TYPE", dispensable: 3, value: (row) => row.tool_type },
              { title: "SCOPE", dispensable: 2, value: (row) => row.scope },
              { title: "SERVER", dispensable: 1, value: (row) => row.server_name ?? "" },
              { title: "CALLS", align: "right", value: (row) => (isHere(row) ? String(row.usage_count) : "0") },
              {
                title: "LAST USED",
                value: (row) => (row.last_used_at === null || !isHere(row) ? "" : view.time(row.last_used_at)),
              },
              {
                title: "KNOWN FROM",
                atLeast: 10,
                dispensable: 4,
                value: (row) =>
                  row.project_hash === null ? "" : (projects.get(row.project_hash)?.name ?? row.project_hash),
              },
            ],
            rows,
            view,
          )
        : renderNone(`No tools are known ${scope.whereNone}.`, "Look everywhere with --all-projects.", view)
    },
  }),
).pipe(
  described(
    "The tools available in a project: global tools, its own, and those of plugins. A tool with 0 calls was called only in other projects.",
    "tooltrail tools --all-projects",
  ),
)
