import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import type { ToolUsageEvent } from "../../domain/Usage.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./described.ts"
import { folder, json, limit, utc } from "./options.ts"
import { renderTable } from "./table.ts"
import { renderNone } from "./usageTable.ts"

const outcome = (event: ToolUsageEvent) => (event.success === 1 ? "ok" : (event.failure_kind ?? "failed"))

export const log = Command.make("log", { limit, folder, json, utc }, ({ limit, folder, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(folder)
      const events = yield* UsageEvents
      return { scope, rows: yield* events.getNewest(scope.selection, limit) }
    }),
    toJson: (answer) => answer?.rows ?? [],
    render: ({ scope, rows }, view) =>
      rows.length > 0
        ? renderTable(
            [
              { title: "WHEN", value: (row) => view.time(row.created_at) },
              { title: "TOOL", value: (row) => row.tool_name },
              { title: "TARGET", value: (row) => row.target ?? "" },
              {
                title: "OUTCOME",
                value: outcome,
                paint: (text, row) => (row.success === 1 ? view.colors.green(text) : view.colors.red(text)),
              },
              {
                title: "TOOK",
                align: "right",
                value: (row) => (row.duration_ms === null ? "" : `${row.duration_ms} ms`),
              },
              { title: "SUBAGENT", value: (row) => row.subagent ?? "" },
              { title: "SESSION", value: (row) => row.session_id?.slice(0, 8) ?? "" },
            ],
            rows,
            view,
          )
        : renderNone(`No call is recorded ${scope.description}.`, "Look everywhere with --all-projects."),
  }),
).pipe(described("The newest calls, newest first.", "tooltrail log --limit 50 --utc"))
