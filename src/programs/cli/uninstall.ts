import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Prompt from "@effect/cli/Prompt"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { printable } from "../../domain/text.ts"
import { AgentSettingsFiles } from "../../layers/agents/ClaudeCodeSettings.ts"
import { HomeFilesLive } from "../../layers/files/HomeFilesLive.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { holdHomeLock } from "../../layers/files/lock.ts"
import { AgentSettings, type SettingsEdit } from "../../services/AgentSettings.ts"
import { Home, HomeFiles } from "../../services/Home.ts"
import { described } from "./command.ts"
import { agent, dryRun, json, scope } from "./options.ts"
import { isChange, renderDiff, settingsDiff } from "./render/settingsDiff.ts"
import { outputStyle } from "./render/terminal.ts"

const chosenScope = scope.pipe(
  Options.withDescription(
    "Only this scope. Default: all scopes of the current project, and all other settings that install changed.",
  ),
  Options.optional,
)

const purge = Options.boolean("purge").pipe(
  Options.withDescription("Remove the recorded calls and all other files of tooltrail as well, after asking."),
)

const yes = Options.boolean("yes").pipe(Options.withDescription("Do not ask before --purge."))

const refuse = (message: string) => ValidationError.invalidValue(HelpDoc.p(message))

const isTerminal = Effect.sync(() => process.stdin.isTTY === true && process.stdout.isTTY === true)

const toJson = (edit: SettingsEdit, isDryRun: boolean) => ({
  scope: edit.file.scope,
  path: edit.file.path,
  file_removed: Option.isNone(edit.after),
  backup: Option.getOrNull(edit.backup),
  ...(isDryRun ? { diff: settingsDiff(edit) } : {}),
})

const summarize = ({ file, after, backup }: SettingsEdit) => {
  const path = printable(file.path)
  if (Option.isNone(after)) return `Removed ${path}, which install had created.`
  const kept = Option.match(backup, { onNone: () => "", onSome: (at) => ` The backup is still in ${printable(at)}.` })
  return `Removed the hook from ${path}.${kept}`
}

const nothing = "The hook is not installed; nothing to remove."

const report = (changes: ReadonlyArray<SettingsEdit>) =>
  changes.length === 0 ? nothing : changes.map(summarize).join("\n")

const preview = (changes: ReadonlyArray<SettingsEdit>) =>
  Effect.map(outputStyle, (style) =>
    changes.length === 0 ? nothing : changes.map((edit) => renderDiff(settingsDiff(edit), style)).join("\n"),
  )

const reportPurge = (
  directory: string,
  owned: ReadonlyArray<string>,
  purged: ReadonlyArray<string>,
  isDryRun: boolean,
) => {
  if (owned.length === 0) return `Nothing is recorded in ${printable(directory)}.`
  if (purged.length === 0) return `What is in ${printable(directory)} stays.`
  if (isDryRun) return ["Would remove:", ...purged.map(printable)].join("\n")
  return `Removed all that was recorded in ${printable(directory)}.`
}

const confirmPurge = (directory: string) =>
  Prompt.confirm({ message: `Remove all that is recorded in ${printable(directory)}, for good?`, initial: false }).pipe(
    Prompt.run,
    Effect.catchTag("QuitException", () => Effect.succeed(false)),
  )

/** Removes every own file. A server would go on using them, so it must not run. */
const removeFiles = Effect.gen(function* () {
  const { directory } = yield* Home
  const files = yield* HomeFiles
  yield* Effect.scoped(holdHomeLock("serve")).pipe(
    Effect.catchTag(
      "LockHeld",
      () =>
        new PersistenceError({
          operation: `remove what is in ${directory}`,
          reason: "unavailable",
          cause: "`tooltrail serve` is running; stop it first",
        }),
    ),
  )
  // The lock's file is one of them.
  yield* files.removeAll(yield* files.findAll)
})

export const uninstall = Command.make(
  "uninstall",
  { agent, scope: chosenScope, dryRun, purge, yes, json },
  ({ agent, scope, dryRun, purge, yes, json }) =>
    Effect.gen(function* () {
      if (purge && Option.isSome(scope)) {
        return yield* Effect.fail(refuse("--purge does not go with --scope: a hook that stays would go on recording"))
      }
      const asks = purge && !yes && !dryRun
      if (asks && (json || !(yield* isTerminal))) {
        return yield* Effect.fail(refuse("--purge asks first; if nobody can answer, add --yes"))
      }
      const home = yield* Home
      const files = yield* HomeFiles
      const settings = yield* AgentSettings
      const places = Option.isSome(scope) ? [yield* settings.locate(scope.value)] : yield* settings.everywhere
      // A file that cannot be edited does not stop the others.
      const outcomes = yield* Effect.forEach(places, (file) =>
        settings.unregister(file, dryRun ? "preview" : "write").pipe(
          Effect.map(Either.right),
          Effect.catchTag("UnusableSettings", (error) => Effect.succeed(Either.left(error))),
        ),
      )
      const changes = Arr.getRights(outcomes).filter(isChange)
      const [failure, ...others] = Arr.getLefts(outcomes)
      if (!json) yield* Console.log(dryRun ? yield* preview(changes) : report(changes))
      yield* Effect.forEach(others, (other) => Effect.logError(other.message), { discard: true })
      if (failure !== undefined) return yield* failure

      const owned = purge ? yield* files.findAll : []
      const isWanted = owned.length > 0 && (!asks || (yield* confirmPurge(home.directory)))
      if (isWanted && !dryRun) yield* removeFiles
      const purged = isWanted ? owned : []
      if (json) {
        const edits = changes.map((edit) => toJson(edit, dryRun))
        return yield* Console.log(JSON.stringify({ agent, dry_run: dryRun, settings: edits, purged }))
      }
      if (purge) yield* Console.log(reportPurge(home.directory, owned, purged, dryRun))
    }).pipe(Effect.provide(Layer.mergeAll(AgentSettingsFiles, HomeFilesLive).pipe(Layer.provideMerge(HomeLive)))),
).pipe(
  described(
    "Removes the hook from the agent's settings. The recorded calls stay, unless you add --purge.",
    "tooltrail uninstall --dry-run",
  ),
)
