import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { printable } from "../../domain/printable.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { answer } from "./answer.ts"
import { described } from "./described.ts"
import { argument, json, utc } from "./options.ts"
import { renderNone, renderUsage } from "./usageTable.ts"

const id = argument("id", "The session's id; the newest session where it is left out.").pipe(Args.optional)

export const session = Command.make("session", { id, json, utc }, ({ id, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const events = yield* UsageEvents
      const chosen = Option.isSome(id) ? id : yield* events.getNewestSession
      return Option.isSome(chosen)
        ? { id: chosen.value, rows: yield* events.getUsageForSession(chosen.value) }
        : { id: undefined, rows: [] }
    }),
    toJson: (answer) => answer?.rows ?? [],
    render: ({ id, rows }, view) =>
      rows.length > 0
        ? `${view.colors.dim("Session")} ${printable(id ?? "")}\n\n${renderUsage(
            "TOOL",
            rows.map(({ tool_name, ...counts }) => ({ key: tool_name, ...counts })),
            view,
          )}`
        : renderNone(
            id === undefined ? "No call with a session is recorded." : `No calls of the session ${id}.`,
            "`tooltrail log --all-projects --json` shows the newest calls with their sessions.",
          ),
  }),
).pipe(described("What one session used.", "tooltrail session 8bbcceab-0b3e-4e24-98c9-ec146b1ca8c6"))
