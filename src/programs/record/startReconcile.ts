import { join } from "node:path"
import * as Effect from "effect/Effect"

/** The folder of the bundle that this is part of, and of the command line beside it. */
declare const __dirname: string

/**
 * Starts `tooltrail reconcile` as a process that outlives this one, and does not wait for it. Most hooks and servers never
 * need the module that starts processes, so it is imported here.
 */
export const startReconcile: Effect.Effect<void> = Effect.tryPromise(async () => {
  const { spawn } = await import("node:child_process")
  await new Promise<void>((resolve, reject) => {
    const { NODE_EXTRA_CA_CERTS: _slow, ...env } = process.env
    const child = spawn(process.execPath, [join(__dirname, "tooltrail.cjs"), "reconcile", "--background"], {
      detached: true,
      env,
      stdio: "ignore",
      windowsHide: true,
    })
    child.once("error", reject)
    child.once("spawn", resolve)
    child.unref()
  })
}).pipe(
  Effect.catchAll(({ error }) =>
    Effect.logWarning(`could not start to reconcile: ${error instanceof Error ? error.message : String(error)}`),
  ),
)
