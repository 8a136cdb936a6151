import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { AllProjects } from "../../domain/Project.ts"
import type { ToolRegistryRow } from "../../domain/Tool.ts"
import { Projects } from "../../services/Projects.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./command.ts"
import { folder, json, utc } from "./options.ts"
import { renderTable } from "./render/table.ts"
import { renderNone } from "./render/usage.ts"

export const tools = Command.make("tools", { folder, json, utc }, ({ folder, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(folder)
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
        : renderNone(`No tool is known ${scope.description}.`, "Look everywhere with --all-projects.", view)
    },
  }),
).pipe(
  described(
    "The tools that are known in a project: global ones, its own, and plugins'. A tool that was not called here is known from another project; --json shows its row there.",
    "tooltrail tools --all-projects",
  ),
)
