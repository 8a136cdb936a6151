import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import {
  type Configuration,
  defaultConfiguration,
  parseConfiguration,
  UnusableConfiguration,
} from "../../domain/Configuration.ts"
import { Home } from "../../services/Home.ts"

/** What `config.json` in the home folder says; the default where there is none. */
export const readConfiguration: Effect.Effect<Configuration, UnusableConfiguration, Home> = Effect.gen(function* () {
  const path = join((yield* Home).directory, "config.json")
  const text = yield* Effect.try({
    try: () => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
    catch: (cause) =>
      new UnusableConfiguration({ path, reason: cause instanceof Error ? cause.message : String(cause) }),
  })
  return text === undefined ? defaultConfiguration : yield* parseConfiguration(text, path)
})
