import { isUtf8 } from "node:buffer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { FileLogger } from "../layers/FileLogger.ts"
import { HomeLive } from "../layers/HomeLive.ts"
import { ProjectResolverLive } from "../layers/ProjectResolverLive.ts"
import { StoreLive } from "../layers/Store.ts"
import { readStandardInput } from "../layers/standardInput.ts"
import { receiveHookEvent } from "./receiveHookEvent.ts"
import { recordToolUse } from "./recordToolUse.ts"

const PATIENCE = "2 seconds"
const LARGEST_PAYLOAD_BYTES = 256 * 1024 * 1024

/** Two statements may each wait for a lock, and an agent waits for the hook. */
const BUSY_TIMEOUT_MILLIS = 900

const HookStore = Layer.provide(StoreLive({ busyTimeoutMillis: BUSY_TIMEOUT_MILLIS, whenMissing: "create" }), HomeLive)

const readPayload = Effect.gen(function* () {
  const { bytes, closed } = yield* readStandardInput({ patience: PATIENCE, limitBytes: LARGEST_PAYLOAD_BYTES })
  if (!closed) yield* Effect.logWarning(`standard input was not closed within ${PATIENCE}; went on with what had come`)
  if (!isUtf8(bytes)) yield* Effect.logWarning("the hook payload is not UTF-8; the bytes that are not were replaced")
  return bytes.toString("utf8")
})

/**
 * The hook: one payload on standard input becomes one recorded call. It never fails and prints nothing on stdout; what
 * goes wrong is one line in the log. The store is opened only for an event that is to be recorded.
 */
export const runHook: Effect.Effect<void> = Effect.gen(function* () {
  const use = yield* receiveHookEvent(yield* readPayload)
  if (Option.isSome(use)) yield* Effect.provide(recordToolUse(use.value), HookStore)
}).pipe(
  Effect.provide(ProjectResolverLive),
  Effect.catchAllCause((cause) => Effect.logError(cause)),
  Effect.provide(FileLogger),
)
