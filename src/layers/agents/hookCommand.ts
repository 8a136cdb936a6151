import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { CERTIFICATES_VARIABLE, type HookCommand } from "../../domain/agents/claudeCodeSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { environmentVariable } from "../files/environment.ts"

/** Where package managers link the Node that they keep up to date. */
const STABLE_NODES = [
  "/usr/local/bin/node",
  "/opt/homebrew/bin/node",
  "/home/linuxbrew/.linuxbrew/bin/node",
  "/usr/bin/node",
]

/** This process's Node, by a path that survives its update where there is one. */
const nodePath = (): string => {
  const actual = process.execPath
  return STABLE_NODES.find((path) => existsSync(path) && realpathSync(path) === realpathSync(actual)) ?? actual
}

/** Follows links to the file, as a package manager's `bin` has them, but not those of folders: they survive an update. */
const followFileLinks = (path: string): string =>
  lstatSync(path).isSymbolicLink() ? followFileLinks(resolve(dirname(path), readlinkSync(path))) : path

const hookBeside = (program: string): string => {
  const byName = join(dirname(followFileLinks(program)), "tooltrail-hook.cjs")
  return existsSync(byName) ? byName : join(dirname(realpathSync(program)), "tooltrail-hook.cjs")
}

/** The `env` program, which can start Node without a variable. */
const envPath = () => ["/usr/bin/env", "/bin/env"].find((path) => process.platform !== "win32" && existsSync(path))

/** The hook as an agent is to start it, by absolute paths: beside this program, with this Node. */
export const hookCommand = (program: string): Effect.Effect<HookCommand, PersistenceError> =>
  Effect.gen(function* () {
    const certificates = yield* environmentVariable(CERTIFICATES_VARIABLE)
    return yield* Effect.try({
      try: () => {
        const hook = hookBeside(program)
        if (!existsSync(hook)) throw new Error(`${hook} is not there; build or install tooltrail again`)
        const node = nodePath()
        // Node 20 reads those certificates at every start, which takes twice as long as recording a call.
        const env = certificates !== undefined && process.versions.node.startsWith("20.") ? envPath() : undefined
        return env === undefined
          ? { command: node, args: [hook] }
          : { command: env, args: ["-u", CERTIFICATES_VARIABLE, node, hook] }
      },
      catch: (cause) => new PersistenceError({ operation: "find the hook's program", reason: "unavailable", cause }),
    })
  })
