import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type HookCommand, hookEvents, type Registered } from "../../domain/agents/claudeCodeSettings.ts"
import type { UnusableSettings } from "../../domain/agents/UnusableSettings.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { isServing } from "../../layers/agents/serverHealth.ts"
import { AgentSettings, type SettingsContent, type SettingsFile } from "../../services/AgentSettings.ts"
import { type Check, check } from "./check.ts"

export interface LookedAt {
  readonly file: SettingsFile
  /** None where there is no file. */
  readonly content: Either.Either<Option.Option<SettingsContent>, UnusableSettings>
}

/** Every settings file that tooltrail may be registered in, and what it says. */
export const lookAtSettings: Effect.Effect<ReadonlyArray<LookedAt>, PersistenceError, AgentSettings> = Effect.gen(
  function* () {
    const settings = yield* AgentSettings
    const files = yield* settings.everywhere
    return yield* Effect.forEach(files, (file) =>
      Effect.map(Effect.either(settings.read(file.path)), (content) => ({ file, content })),
    )
  },
)

/**
 * The command that the user's own settings start, if its files are there. Those of a project may come with a checkout from
 * anybody, so nothing that they name is run.
 */
export const findUserCommand: Effect.Effect<Option.Option<HookCommand>, PersistenceError, AgentSettings> = Effect.gen(
  function* () {
    const settings = yield* AgentSettings
    const content = yield* Effect.either(Effect.flatMap(settings.locate("user"), ({ path }) => settings.read(path)))
    return Either.getRight(content).pipe(
      Option.flatten,
      Option.filter(({ missingFiles }) => missingFiles.length === 0),
      Option.flatMap(({ registered }) => registered),
      Option.flatMap(({ command }) => Option.fromNullable(command)),
    )
  },
)

/** How it is registered, in a few words. */
export const describeMode = ({ mode, url, isAsync }: Registered): string =>
  mode === "http" ? `posting to ${url}` : isAsync ? "as an async command" : "as a command"

const checkServer = (path: string, { url, token }: Registered, hasOwnToken: boolean) =>
  Effect.gen(function* () {
    if (url === undefined || token === undefined) return []
    if (!hasOwnToken) {
      return [
        check(
          "registered",
          "problem",
        )(`${path} holds a token that the server refuses; \`tooltrail install --mode http\` puts the right one there`),
      ]
    }
    if (yield* isServing(url, token)) return []
    return [
      check(
        "registered",
        "problem",
      )(`${path} has calls posted to ${url}, where no server answers; they are lost until \`tooltrail serve\` runs`),
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
        : [
            check(
              "registered",
              "problem",
            )(`${path} starts ${gone}, which is not there; \`tooltrail install\` mends it`),
          ]),
      ...(missing.length === 0
        ? []
        : [check("registered", "warning")(`${path} lacks ${missing.join(", ")}; \`tooltrail install\` adds it`)]),
      ...(content.areHooksDisabled
        ? [check("registered", "problem")(`${path} says "disableAllHooks", so that no hook runs`)]
        : []),
      ...(yield* checkServer(path, registered, content.hasOwnToken)),
    ]
    return findings.length > 0 ? findings : [check("registered", "ok")(`in ${path}, ${describeMode(registered)}`)]
  })

const notRegistered = check(
  "registered",
  "warning",
)("no agent's settings have tooltrail's hook; `tooltrail install` puts it there")

/** Whether agents will start the hook, and whether what they start is there. */
export const checkRegistration: Effect.Effect<ReadonlyArray<Check>, PersistenceError, AgentSettings> = Effect.gen(
  function* () {
    const looked = yield* lookAtSettings
    const checks = yield* Effect.forEach(looked, ({ file, content }) =>
      Either.match(content, {
        onLeft: ({ message }) => Effect.succeed([check("registered", "problem")(message)]),
        onRight: Option.match({
          onNone: () => Effect.succeed([]),
          onSome: (content) =>
            Effect.map(
              checkFile(file.path, content),
              (found): ReadonlyArray<Check> => [
                ...found,
                ...content.plugins.map((id) => check("registered", "ok")(`in ${file.path}, by the plugin ${id}`)),
              ],
            ),
        }),
      }),
    )
    const all = checks.flat()
    return all.length > 0 ? all : [notRegistered]
  },
)
