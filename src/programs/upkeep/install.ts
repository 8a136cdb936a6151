import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import {
  AgentTooOld,
  isTooOld,
  type Registration,
  type UnusableSettings,
} from "../../domain/agents/claudeCodeSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { hookCommand } from "../../layers/agents/hookCommand.ts"
import { makeHomeFolder } from "../../layers/files/HomeLive.ts"
import { knownToken, tokenFile, tokenPath } from "../../layers/files/tokenFile.ts"
import { checkDriver } from "../../layers/store/checkFile.ts"
import { AgentSettings, type EditMode, type SettingsEdit, type SettingsScope } from "../../services/AgentSettings.ts"
import { Home } from "../../services/Home.ts"

export interface InstallOptions {
  readonly scope: SettingsScope
  readonly isAsync: boolean
  /** The port of the server that takes the calls; none if the command takes them. */
  readonly port: Option.Option<number>
  readonly editMode: EditMode
}

/** Stands for the token in a preview, which makes none. */
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
  readonly warnings: ReadonlyArray<string>
}

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

/** Registers in the agent's settings the hook that lies beside this program, whose path is `program`. */
export const install = (
  program: string,
  { scope, isAsync, port, editMode }: InstallOptions,
): Effect.Effect<Installed, AgentTooOld | UnusableSettings | PersistenceError, AgentSettings | Home> =>
  Effect.gen(function* () {
    const settings = yield* AgentSettings
    const version = yield* settings.agentVersion
    if (Option.isSome(version) && isTooOld(version.value)) return yield* new AgentTooOld({ version: version.value })
    const command = yield* hookCommand(program)
    const endpoint = Option.isNone(port) ? undefined : { port: port.value, token: yield* serverToken(editMode) }
    const registration = { command, isAsync, endpoint }
    const edit = yield* settings.register(yield* settings.locate(scope), registration, editMode)
    const driver = yield* Effect.either(checkDriver)
    const unbuilt = Either.isLeft(driver) ? [`${driver.left.message}; until then, calls wait in the spool`] : []
    return { edit, registration, warnings: [...warningsFor(edit, registration), ...unbuilt] }
  })

/** Removes the hook from the settings of a scope, or of all known scopes. One unusable file does not stop the others. */
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
