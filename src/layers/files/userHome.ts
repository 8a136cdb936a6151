import { isAbsolute } from "node:path"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import { environmentVariable } from "./environment.ts"

const unusable = (cause: unknown) =>
  new PersistenceError({ operation: "tell where to keep files", reason: "unavailable", cause })

/** The user's home folder. `HOME` says it, as it does for `os.homedir()`, which is asked only where it does not. */
export const userHome: Effect.Effect<string, PersistenceError> = Effect.gen(function* () {
  const fromEnvironment = yield* environmentVariable(process.platform === "win32" ? "USERPROFILE" : "HOME")
  const path =
    fromEnvironment ??
    (yield* Effect.tryPromise({ try: async () => (await import("node:os")).homedir(), catch: unusable }))
  return isAbsolute(path) ? path : yield* unusable(`the user's home folder is ${JSON.stringify(path)}`)
})
