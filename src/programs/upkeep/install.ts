import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Registration } from "../../domain/agents/claudeCodeSettings.ts"
import type { UnusableSettings } from "../../domain/agents/UnusableSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { hookCommand } from "../../layers/agents/hookCommand.ts"
import { makeHomeFolder } from "../../layers/files/homeFolder.ts"
import { knownToken, tokenFile, tokenPath } from "../../layers/files/tokenFile.ts"
import { checkDriver } from "../../layers/store/checkDriver.ts"
import { AgentSettings, type EditMode, type SettingsEdit, type SettingsScope } from "../../services/AgentSettings.ts"
import { Home } from "../../services/Home.ts"

export interface InstallOptions {
  readonly scope: SettingsScope
  readonly isAsync: boolean
  /** The port of the server that is to take the calls; none for the command. */
  readonly port: Option.Option<number>
  readonly editMode: EditMode
}

/** Stands for a token that a preview does not make. */
const NO_TOKEN_YET = "0".repeat(64)

const serverToken = (editMode: EditMode) =>
  Effect.gen(function* () {
    const home = yield* Home
    if (editMode === "preview") return (yield* knownToken(tokenPath(home))) ?? NO_TOKEN_YET
    yield* Effect.try({
      try: () => makeHomeFolder(home.directory),
      catch: (cause) =>
        new PersistenceError({ operation: `make the folder ${home.directory}`, reason: "unavailable", cause }),
    })
    return yield* tokenFile(tokenPath(home))
  })

export interface Installed {
  readonly edit: SettingsEdit
  readonly registration: Registration
  /** What a person should know of it. */
  readonly warnings: ReadonlyArray<string>
}

const warningsFor = ({ file, isExposed }: SettingsEdit, { command, endpoint }: Registration): ReadonlyArray<string> => [
  ...(command.args.some((arg) => /[/\\]_npx[/\\]/.test(arg))
    ? ["npx keeps this tooltrail for a while only; `npm install -g tooltrail`, then install again"]
    : []),
  ...(file.scope === "project"
    ? [`${file.path} is for all who work on the project, and names paths of this machine`]
    : []),
  ...(endpoint === undefined ? [] : [`the server's token stands in ${file.path}; keep that file to yourself`]),
  ...(isExposed ? [`others can read ${file.path}; \`chmod 600\` closes it to them`] : []),
]

/** Registers the hook of the program that runs (`program` is its path) in the agent's settings. */
export const install = (
  program: string,
  { scope, isAsync, port, editMode }: InstallOptions,
): Effect.Effect<Installed, UnusableSettings | PersistenceError, AgentSettings | Home> =>
  Effect.gen(function* () {
    const settings = yield* AgentSettings
    const command = yield* hookCommand(program)
    const endpoint = Option.isNone(port) ? undefined : { port: port.value, token: yield* serverToken(editMode) }
    const registration = { command, isAsync, endpoint }
    const edit = yield* settings.register(yield* settings.locate(scope), registration, editMode)
    const driver = yield* Effect.either(checkDriver)
    const unbuilt = Either.isLeft(driver) ? [`${driver.left.message}; until then calls are kept in the spool`] : []
    return { edit, registration, warnings: [...warningsFor(edit, registration), ...unbuilt] }
  })

/** Takes the hook out of the settings of a scope; without one, out of all that are known. A file that cannot be edited keeps the others from nothing. */
export const uninstall = (
  scope: Option.Option<SettingsScope>,
  editMode: EditMode,
): Effect.Effect<ReadonlyArray<Either.Either<SettingsEdit, UnusableSettings>>, PersistenceError, AgentSettings> =>
  Effect.gen(function* () {
    const settings = yield* AgentSettings
    const files = Option.isSome(scope) ? [yield* settings.locate(scope.value)] : yield* settings.everywhere
    return yield* Effect.forEach(files, (file) =>
      settings.unregister(file, editMode).pipe(
        Effect.map((edit): Either.Either<SettingsEdit, UnusableSettings> => Either.right(edit)),
        Effect.catchTag("UnusableSettings", (error) => Effect.succeed(Either.left(error))),
      ),
    )
  })
