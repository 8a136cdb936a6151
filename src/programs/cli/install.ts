import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DEFAULT_PORT, hookEvents, OLDEST_VERSION } from "../../domain/agents/claudeCodeSettings.ts"
import { printable } from "../../domain/text.ts"
import { AgentSettingsFiles } from "../../layers/agents/ClaudeCodeSettings.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import type { SettingsEdit } from "../../services/AgentSettings.ts"
import type { ImportResult } from "../history/importTranscripts.ts"
import { type Installed, install as runInstall } from "../upkeep/install.ts"
import { described } from "./command.ts"
import { thisProgram } from "./doctor.ts"
import { importHistory, leaveHistoryOut, renderImport } from "./import.ts"
import { agent, dryRun, json, registration, scope } from "./options.ts"
import { renderDiff, settingsDiff } from "./render/settingsDiff.ts"
import { outputStyle } from "./render/terminal.ts"

const chosenScope = scope.pipe(
  Options.withDescription(
    "user: all your projects. project: this project, for its whole team. local: this project, for you. Default: user.",
  ),
  Options.withDefault("user" as const),
)

const isChange = ({ before, after }: SettingsEdit) => Option.getOrNull(before) !== Option.getOrNull(after)

const summarize = ({ edit, registration: { endpoint } }: Installed): ReadonlyArray<string> => {
  const path = printable(edit.file.path)
  if (!isChange(edit)) return [`The hook is already registered in ${path}; nothing changed.`]
  const port = endpoint === undefined || endpoint.port === DEFAULT_PORT ? "" : ` --port ${endpoint.port}`
  return [
    `Registered the hook in ${path} for ${hookEvents.join(", ")}.`,
    ...Option.match(edit.backup, {
      onNone: () => [],
      onSome: (backup) => [`The previous version is kept in ${printable(backup)}.`],
    }),
    endpoint === undefined
      ? "New sessions will be recorded; `tooltrail status` shows whether it works."
      : `New sessions will be recorded while \`tooltrail serve${port}\` runs.`,
  ]
}

const withoutHistory = Options.boolean("no-history").pipe(
  Options.withDescription("Do not import past calls from the agent's transcripts."),
)

/** Keeps past calls out, also from the first session's reconcile. */
const leaveHistory = leaveHistoryOut.pipe(
  Effect.catchTag("PersistenceError", (error) =>
    Effect.logWarning(`could not note that past calls are not wanted: ${error.message}`),
  ),
)

/** Imports past calls. If that fails, the hook stays registered. */
const takeHistory = importHistory([]).pipe(
  Effect.map(Option.some),
  Effect.catchAll((error) =>
    Effect.as(
      Effect.logWarning(`could not import the history: ${error.message}; try \`tooltrail import\``),
      Option.none(),
    ),
  ),
)

const describeHistory = (history: Option.Option<ImportResult>): ReadonlyArray<string> =>
  Option.match(history, {
    onNone: () => [],
    onSome: (result) =>
      result.summary.files === 0
        ? []
        : [renderImport(result), "See it with `tooltrail top --all-projects --since 1y`."],
  })

export const install = Command.make(
  "install",
  { agent, scope: chosenScope, registration, withoutHistory, dryRun, json },
  ({ agent, scope, registration, withoutHistory, dryRun, json }) =>
    Effect.gen(function* () {
      const installed = yield* runInstall(thisProgram(), {
        ...{ scope, ...registration },
        editMode: dryRun ? "preview" : "write",
      })
      const { edit, warnings } = installed
      yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
      const diff = settingsDiff(edit)
      if (withoutHistory && !dryRun && isChange(edit)) yield* leaveHistory
      const history = dryRun || withoutHistory || !isChange(edit) ? Option.none() : yield* takeHistory
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
            history: Option.getOrNull(Option.map(history, ({ summary }) => summary)),
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
      yield* Console.log([...summarize(installed), ...describeHistory(history)].join("\n"))
    }).pipe(Effect.provide(Layer.provideMerge(AgentSettingsFiles, HomeLive))),
).pipe(
  described(
    `Registers the hook in the agent's settings and imports past calls. Needs Claude Code ${OLDEST_VERSION} or later. \`tooltrail uninstall\` undoes it.`,
    "tooltrail install --dry-run",
  ),
)
