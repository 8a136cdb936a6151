import { isUtf8 } from "node:buffer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ToolUse } from "../domain/ToolUse.ts"
import { FileLogger } from "../layers/FileLogger.ts"
import { HomeLive } from "../layers/HomeLive.ts"
import { ProjectResolverLive } from "../layers/ProjectResolverLive.ts"
import { SpoolFiles } from "../layers/SpoolFiles.ts"
import { StoreLive } from "../layers/Store.ts"
import { readStandardInput, type UnreadableInput } from "../layers/standardInput.ts"
import { drainSpool } from "./drainSpool.ts"
import { receiveHookEvent } from "./receiveHookEvent.ts"
import { recordToolUse } from "./recordToolUse.ts"
import { spoolOnFailure } from "./spoolOnFailure.ts"

const PATIENCE = "2 seconds"
const LARGEST_PAYLOAD_BYTES = 256 * 1024 * 1024

/** Two statements may each wait for a lock, and an agent waits for the hook. */
const BUSY_TIMEOUT_MILLIS = 900

const HookStore = Layer.provide(StoreLive({ busyTimeoutMillis: BUSY_TIMEOUT_MILLIS, whenMissing: "create" }), HomeLive)

const HookSpool = Layer.provide(SpoolFiles, HomeLive)

/** An agent waits for the hook, so it drains only so many of the calls that others left in the spool. */
const DRAIN_LIMIT = 200

const record = (use: ToolUse) =>
  recordToolUse(use).pipe(
    Effect.tap(() =>
      drainSpool(DRAIN_LIMIT).pipe(
        Effect.catchTag("PersistenceError", (error) => Effect.logWarning(`the spool is not drained: ${error.message}`)),
      ),
    ),
    Effect.provide(HookStore),
    spoolOnFailure(use),
  )

interface Payload {
  readonly text: string
  /** What is odd about how it came. */
  readonly oddities: ReadonlyArray<string>
}

const readPayload: Effect.Effect<Payload, UnreadableInput> = Effect.map(
  readStandardInput({ patience: PATIENCE, limitBytes: LARGEST_PAYLOAD_BYTES }),
  ({ bytes, closed }) => ({
    text: bytes.toString("utf8"),
    oddities: [
      ...(closed ? [] : [`standard input was not closed within ${PATIENCE}`]),
      ...(isUtf8(bytes) ? [] : ["the payload is not UTF-8"]),
    ],
  }),
)

const receive = ({ text, oddities }: Payload) =>
  receiveHookEvent(text).pipe(
    Effect.tap(() => (oddities.length > 0 ? Effect.logWarning(oddities.join("; ")) : Effect.void)),
    Effect.tapError((error) => Effect.logError([error.message, ...oddities].join("; "))),
    Effect.orElseSucceed(() => Option.none<ToolUse>()),
  )

/**
 * The hook: one payload on standard input becomes one recorded call. It never fails and prints nothing on stdout; what
 * goes wrong is one line in the log. The store is opened only for an event that is to be recorded.
 */
export const runHook: Effect.Effect<void> = Effect.gen(function* () {
  const use = yield* receive(yield* readPayload)
  if (Option.isSome(use)) yield* record(use.value)
}).pipe(
  Effect.provide(Layer.merge(ProjectResolverLive, HookSpool)),
  Effect.catchAllCause((cause) => Effect.logError(cause)),
  Effect.provide(FileLogger),
)
