import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { hookEvents, type Registered, type UnusableSettings } from "../../domain/agents/claudeCodeSettings.ts"
import { isServing } from "../../layers/agents/hookCommand.ts"
import { AgentSettings, type SettingsContent, type SettingsFile } from "../../services/AgentSettings.ts"

/** `problem`: a person has to do something. `warning`: good to know. `skipped`: not looked at, as it would take long. */
export interface Check {
  readonly name: string
  readonly status: "ok" | "warning" | "problem" | "skipped"
  readonly message: string
}

export const check = (name: string, status: Check["status"], message: string): Check => ({ name, status, message })

export interface LookedAt {
  readonly file: SettingsFile
  /** None if there is no file. */
  readonly content: Either.Either<Option.Option<SettingsContent>, UnusableSettings>
}

/** Reads every settings file that tooltrail may be registered in. */
export const lookAtSettings = Effect.gen(function* () {
  const settings = yield* AgentSettings
  const files = yield* settings.everywhere
  return yield* Effect.forEach(files, (file) =>
    Effect.map(Effect.either(settings.read(file.path)), (content): LookedAt => ({ file, content })),
  )
})

/**
 * The command in the user's own settings, if its files exist. A project's settings may come from anybody, so their command is
 * never run.
 */
export const findUserCommand = Effect.gen(function* () {
  const settings = yield* AgentSettings
  const content = yield* Effect.either(Effect.flatMap(settings.locate("user"), ({ path }) => settings.read(path)))
  return Either.getRight(content).pipe(
    Option.flatten,
    Option.filter(({ missingFiles }) => missingFiles.length === 0),
    Option.flatMap(({ registered }) => registered),
    Option.flatMap(({ command }) => Option.fromNullable(command)),
  )
})

/** How tooltrail is registered, in a few words. */
export const describeMode = ({ mode, url, isAsync }: Registered): string =>
  mode === "http" ? `posting to ${url}` : isAsync ? "as an async command" : "as a command"

const problem = (message: string) => check("registered", "problem", message)
const warning = (message: string) => check("registered", "warning", message)
const ok = (message: string) => check("registered", "ok", message)

const checkServer = (path: string, { url, token }: Registered, hasOwnToken: boolean) =>
  Effect.gen(function* () {
    if (url === undefined || token === undefined) return []
    if (!hasOwnToken) {
      return [problem(`${path} contains a token that the server refuses; run \`tooltrail install --mode http\``)]
    }
    if (yield* isServing(url, token)) return []
    return [
      problem(`${path} posts calls to ${url}, where no server answers; they are lost until \`tooltrail serve\` runs`),
    ]
  })

const checkFile = (path: string, content: SettingsContent) =>
  Effect.gen(function* () {
    if (Option.isNone(content.registered)) return []
    const registered = content.registered.value
    const missing = hookEvents.filter((event) => !registered.events.includes(event))
    const [gone] = content.missingFiles
    const findings = [
      ...(gone === undefined
        ? []
        : [problem(`${path} starts ${gone}, which does not exist; run \`tooltrail install\``)]),
      ...(missing.length === 0 ? [] : [warning(`${path} lacks ${missing.join(", ")}; run \`tooltrail install\``)]),
      ...(content.areHooksDisabled ? [problem(`${path} contains "disableAllHooks": true, so no hook runs`)] : []),
      ...(yield* checkServer(path, registered, content.hasOwnToken)),
    ]
    return findings.length > 0 ? findings : [ok(`in ${path}, ${describeMode(registered)}`)]
  })

/** Whether agents will start the hook, and whether its files exist. */
export const checkRegistration = Effect.gen(function* () {
  const all: Array<Check> = []
  for (const { file, content } of yield* lookAtSettings) {
    if (Either.isLeft(content)) all.push(problem(content.left.message))
    else if (Option.isSome(content.right)) {
      const { plugins } = content.right.value
      all.push(...(yield* checkFile(file.path, content.right.value)))
      all.push(...plugins.map((id) => ok(`in ${file.path}, by the plugin ${id}`)))
    }
  }
  return all.length > 0 ? all : [warning("no agent's settings have tooltrail's hook; run `tooltrail install`")]
})
