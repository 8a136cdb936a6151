import { mkdirSync } from "node:fs"
import { isAbsolute, join, resolve } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { DATABASE, LOG, SPOOL } from "./ownedFiles.ts"

/**
 * An environment variable; an empty one counts as not set. Not by `effect/Config`, because every hook reads some, and the
 * machinery for the first of them takes longer than an insert.
 */
export const environmentVariable = (name: string): Effect.Effect<string | undefined> =>
  Effect.sync(() => process.env[name] || undefined)

const unusable = (cause: unknown) =>
  new PersistenceError({ operation: "find the folder for tooltrail's files", reason: "unavailable", cause })

/** The user's home folder. `os.homedir()` prefers `HOME` as well; it is loaded only if `HOME` is not set. */
export const userHome: Effect.Effect<string, PersistenceError> = Effect.gen(function* () {
  const fromEnvironment = yield* environmentVariable(process.platform === "win32" ? "USERPROFILE" : "HOME")
  const path =
    fromEnvironment ??
    (yield* Effect.tryPromise({ try: async () => (await import("node:os")).homedir(), catch: unusable }))
  return isAbsolute(path) ? path : yield* unusable(`the user's home folder is ${JSON.stringify(path)}`)
})

/** Where Claude Code keeps its settings and transcripts: `CLAUDE_CONFIG_DIR`, else `~/.claude`. */
export const claudeConfigFolder: Effect.Effect<string, PersistenceError> = Effect.gen(function* () {
  const chosen = yield* environmentVariable("CLAUDE_CONFIG_DIR")
  return chosen === undefined ? join(yield* userHome, ".claude") : resolve(chosen)
})

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
  // The XDG specification says to ignore relative paths.
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(yield* userHome, ".local", "share"), "tooltrail")
})

/** Finds the home folder; nothing is created. */
export const locateHome: Effect.Effect<Context.Tag.Service<Home>, PersistenceError> = dataFolder.pipe(
  Effect.map((directory) => ({
    directory,
    database: join(directory, DATABASE),
    log: join(directory, LOG),
    spool: join(directory, SPOOL),
  })),
)

/** Creates the folder for tooltrail's files, readable by its owner only, unless it is there. Throws the system's error. */
export const makeHomeFolder = (directory: string): void => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
}

/** `TOOLTRAIL_HOME`, else the platform's folder for a user's data. */
export const HomeLive: Layer.Layer<Home, PersistenceError> = Layer.effect(Home, locateHome)
