import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import {
  AgentTooOld,
  DEFAULT_PORT,
  hookEvents,
  isTooOld,
  OLDEST_VERSION,
  type Registration,
} from "../../domain/agents/claudeCodeSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { printable } from "../../domain/text.ts"
import { AgentSettingsFiles } from "../../layers/agents/ClaudeCodeSettings.ts"
import { hookCommand } from "../../layers/agents/hookCommand.ts"
import { HomeLive, makeHomeFolder } from "../../layers/files/HomeLive.ts"
import { knownToken, tokenFile, tokenPath } from "../../layers/files/tokenFile.ts"
import { checkDriver } from "../../layers/store/checkFile.ts"
import { AgentSettings, type SettingsEdit } from "../../services/AgentSettings.ts"
import { Home } from "../../services/Home.ts"
import type { ImportResult } from "../history/importTranscripts.ts"
import { described } from "./command.ts"
import { thisProgram } from "./doctor.ts"
import { importHistory, leaveHistoryOut, renderImport } from "./import.ts"
import { agent, dryRun, json, registration, scope } from "./options.ts"
import { isChange, renderDiff, settingsDiff } from "./render/settingsDiff.ts"
import { outputStyle } from "./render/terminal.ts"

const chosenScope = scope.pipe(
  Options.withDescription(
    "user: all your projects. project: this project, for its whole team. local: this project, for you. Default: user.",
  ),
  Options.withDefault("user" as const),
)

/** Stands for the token in a preview, which makes none. */
const NO_TOKEN_YET = "0".repeat(64)

const serverToken = (isPreview: boolean) =>
  Effect.gen(function* () {
    const home = yield* Home
    if (isPreview) return (yield* knownToken(tokenPath(home))) ?? NO_TOKEN_YET
    yield* Effect.try({
      try: () => makeHomeFolder(home.directory),
      catch: (cause) =>
        new PersistenceError({ operation: `make the folder ${home.directory}`, reason: "unavailable", cause }),
    })
    return yield* tokenFile(tokenPath(home))
  })

const warningsFor = ({ file, isExposed }: SettingsEdit, { command, endpoint }: Registration): ReadonlyArray<string> => [
  ...(command.args.some((arg) => /[/\\]_npx[/\\]/.test(arg))
    ? ["npx will delete this copy of tooltrail some day; run `npm install -g tooltrail`, then install again"]
    : []),
  ...(file.scope === "project"
    ? [`${file.path} is shared with your team but contains paths of this machine; use --scope local`]
    : []),
  ...(endpoint === undefined ? [] : [`${file.path} contains the server's token; do not share that file`]),
  ...(isExposed ? [`others can read ${file.path}; run \`chmod 600\` on it`] : []),
]

const summarize = (edit: SettingsEdit, { endpoint }: Registration): ReadonlyArray<string> => {
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
  ({ agent, scope, registration: { isAsync, port }, withoutHistory, dryRun, json }) =>
    Effect.gen(function* () {
      const settings = yield* AgentSettings
      const version = yield* settings.agentVersion
      if (Option.isSome(version) && isTooOld(version.value)) return yield* new AgentTooOld({ version: version.value })
      const command = yield* hookCommand(thisProgram())
      const endpoint = Option.isNone(port) ? undefined : { port: port.value, token: yield* serverToken(dryRun) }
      const registration = { command, isAsync, endpoint }
      const edit = yield* settings.register(yield* settings.locate(scope), registration, dryRun ? "preview" : "write")
      for (const warning of warningsFor(edit, registration)) yield* Effect.logWarning(warning)
      const driver = yield* Effect.either(checkDriver)
      if (Either.isLeft(driver)) yield* Effect.logWarning(`${driver.left.message}; until then, calls wait in the spool`)
      const diff = settingsDiff(edit)
      if (withoutHistory && !dryRun && isChange(edit)) yield* leaveHistory
      const history = dryRun || withoutHistory || !isChange(edit) ? Option.none() : yield* takeHistory
      if (json) {
        return yield* Console.log(
          JSON.stringify({
            agent,
            scope,
            path: edit.file.path,
            mode: Option.isSome(port) ? "http" : "hook",
            async: isAsync,
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
      yield* Console.log([...summarize(edit, registration), ...describeHistory(history)].join("\n"))
    }).pipe(Effect.provide(Layer.provideMerge(AgentSettingsFiles, HomeLive))),
).pipe(
  described(
    `Registers the hook in the agent's settings and imports past calls. Needs Claude Code ${OLDEST_VERSION} or later. \`tooltrail uninstall\` undoes it.`,
    "tooltrail install --dry-run",
  ),
)
