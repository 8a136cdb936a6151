import { isAbsolute, join } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { environmentVariable } from "./environment.ts"
import { userHome } from "./userHome.ts"

const unusable = (cause: unknown) =>
  new PersistenceError({ operation: "tell where to keep files", reason: "unavailable", cause })

const dataFolder = Effect.gen(function* () {
  const chosen = yield* environmentVariable("TOOLTRAIL_HOME")
  if (chosen !== undefined) {
    if (isAbsolute(chosen)) return chosen
    return yield* unusable(`TOOLTRAIL_HOME must be an absolute path; it is ${JSON.stringify(chosen)}`)
  }
  if (process.platform === "win32") {
    const local = yield* environmentVariable("LOCALAPPDATA")
    return join(local ?? join(yield* userHome, "AppData", "Local"), "tooltrail")
  }
  if (process.platform === "darwin") return join(yield* userHome, "Library", "Application Support", "tooltrail")
  const xdg = yield* environmentVariable("XDG_DATA_HOME")
  // The XDG specification has relative paths ignored.
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(yield* userHome, ".local", "share"), "tooltrail")
})

/** Finds the home folder; nothing is created. */
export const locateHome: Effect.Effect<Context.Tag.Service<Home>, PersistenceError> = dataFolder.pipe(
  Effect.map((directory) => ({
    directory,
    database: join(directory, "tooltrail.db"),
    log: join(directory, "tooltrail.log"),
    spool: join(directory, "spool"),
  })),
)

/** `TOOLTRAIL_HOME`, else the platform's folder for a user's data. */
export const HomeLive: Layer.Layer<Home, PersistenceError> = Layer.effect(Home, locateHome)
