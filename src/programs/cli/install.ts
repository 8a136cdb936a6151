import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DEFAULT_PORT, hookEvents } from "../../domain/HookRegistration.ts"
import { printable } from "../../domain/printable.ts"
import { AgentSettingsFiles } from "../../layers/AgentSettingsFiles.ts"
import { HomeLive } from "../../layers/HomeLive.ts"
import type { SettingsEdit } from "../../services/AgentSettings.ts"
import { type Installed, install as runInstall } from "../install.ts"
import { described } from "./described.ts"
import { thisProgram } from "./doctorOptions.ts"
import { agent, dryRun, json, registration, scope } from "./options.ts"
import { renderDiff, settingsDiff } from "./settingsDiff.ts"
import { outputStyle } from "./terminal.ts"

const chosenScope = scope.pipe(
  Options.withDescription(
    "user: in all your projects. project: in this one, for all who work on it. local: in this one, for you. Default: user.",
  ),
  Options.withDefault("user" as const),
)

const isChange = ({ before, after }: SettingsEdit) => Option.getOrNull(before) !== Option.getOrNull(after)

const summarize = ({ edit, registration: { endpoint } }: Installed): ReadonlyArray<string> => {
  const path = printable(edit.file.path)
  if (!isChange(edit)) return [`${path} has it registered already; nothing changed.`]
  const port = endpoint === undefined || endpoint.port === DEFAULT_PORT ? "" : ` --port ${endpoint.port}`
  return [
    `Registered in ${path} for ${hookEvents.join(", ")}.`,
    ...Option.match(edit.backup, {
      onNone: () => [],
      onSome: (backup) => [`What was there before is kept in ${printable(backup)}.`],
    }),
    endpoint === undefined
      ? "New sessions are recorded from now on; `tooltrail status` shows how it goes."
      : `Calls of new sessions are recorded while \`tooltrail serve${port}\` runs.`,
  ]
}

export const install = Command.make(
  "install",
  { agent, scope: chosenScope, registration, dryRun, json },
  ({ agent, scope, registration, dryRun, json }) =>
    Effect.gen(function* () {
      const installed = yield* runInstall(thisProgram(), {
        ...{ scope, ...registration },
        editMode: dryRun ? "preview" : "write",
      })
      const { edit, warnings } = installed
      yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
      const diff = settingsDiff(edit)
      if (json) {
        return yield* Console.log(
          JSON.stringify({
            agent,
            scope,
            path: edit.file.path,
            mode: Option.isSome(registration.port) ? "http" : "hook",
            async: registration.isAsync,
            events: hookEvents,
            changed: isChange(edit),
            backup: Option.getOrNull(edit.backup),
            dry_run: dryRun,
            ...(dryRun ? { diff } : {}),
          }),
        )
      }
      if (dryRun) {
        return yield* Console.log(
          diff === "" ? `Nothing would change in ${printable(edit.file.path)}.` : renderDiff(diff, yield* outputStyle),
        )
      }
      yield* Console.log(summarize(installed).join("\n"))
    }).pipe(Effect.provide(Layer.provideMerge(AgentSettingsFiles, HomeLive))),
).pipe(
  described(
    "Registers the hook in the agent's settings, which are edited in place. `tooltrail uninstall` undoes it.",
    "tooltrail install --dry-run",
  ),
)
