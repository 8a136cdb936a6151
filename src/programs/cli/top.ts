import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { format } from "../../domain/TimeWindow.ts"
import { UsageDimension } from "../../domain/Usage.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./described.ts"
import { folder, json, limit, since, utc } from "./options.ts"
import { renderNone, renderUsage } from "./usageTable.ts"

const keyOf = { tool: "tool_name", target: "target", server: "server" } as const

const by = Options.choice("by", UsageDimension.literals).pipe(
  Options.withDescription("What to sum by: the tool, the target (a skill or subagent), or the MCP server."),
  Options.withDefault("tool" as const),
)

export const top = Command.make(
  "top",
  { since, limit, by, folder, json, utc },
  ({ since, limit, by, folder, ...output }) =>
    answer(output, {
      ask: Effect.gen(function* () {
        const scope = yield* resolveScope(folder)
        const events = yield* UsageEvents
        const rows = yield* events.getUsageBy(by, scope.selection, since)
        return { scope, rows: rows.slice(0, limit) }
      }),
      toJson: (answer) => (answer?.rows ?? []).map(({ key, ...counts }) => ({ [keyOf[by]]: key, ...counts })),
      render: ({ scope, rows }, view) =>
        rows.length > 0
          ? renderUsage(by.toUpperCase(), rows, view)
          : renderNone(
              `No calls ${by === "tool" ? "" : `with a ${by} `}in the last ${format(since)} ${scope.description}.`,
              "Look further back with --since 30d, or everywhere with --all-projects.",
            ),
    }),
).pipe(described("The most used tools, with how often they failed.", "tooltrail top --since 30d --limit 5"))
