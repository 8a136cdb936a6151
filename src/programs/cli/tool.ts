import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { format } from "../../domain/TimeWindow.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { answer, resolveScope } from "./answer.ts"
import { described } from "./described.ts"
import { argument, folder, json, since, utc } from "./options.ts"
import { renderNone, renderUsage } from "./usageTable.ts"

const name = argument("name", "The tool's name as the agent calls it.")

export const tool = Command.make("tool", { name, since, folder, json, utc }, ({ name, since, folder, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(folder)
      const events = yield* UsageEvents
      return { scope, usage: yield* events.getUsageForTool(name, scope.selection, since) }
    }),
    toJson: (answer) => (answer === undefined ? null : Option.getOrNull(answer.usage)),
    render: ({ scope, usage }, view) =>
      Option.match(usage, {
        onSome: ({ tool_name, ...counts }) => renderUsage("TOOL", [{ key: tool_name, ...counts }], view),
        onNone: () =>
          renderNone(
            `No calls of ${name} in the last ${format(since)} ${scope.description}.`,
            "`tooltrail tools --all-projects` lists the names of all tools that were ever called.",
          ),
      }),
  }),
).pipe(described("How often one tool was used lately.", "tooltrail tool Bash --since 24h"))
