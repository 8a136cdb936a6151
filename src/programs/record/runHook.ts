import { isUtf8 } from "node:buffer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { StderrLogger } from "../../layers/files/log.ts"
import { readStandardInput, type UnreadableInput } from "../../layers/files/standardInput.ts"
import { RecordingStoreLive } from "../../layers/store/RecordingStore.ts"
import type { Home } from "../../services/Home.ts"
import { Spool } from "../../services/Spool.ts"
import { HookEnvironment } from "./HookEnvironment.ts"
import { type ReceivedEvent, receiveHookEvent } from "./receiveHookEvent.ts"
import { recordToolUse, spoolOnFailure } from "./recordToolUse.ts"
import { startReconcile } from "./startReconcile.ts"

const PATIENCE_SECONDS = 2
const LARGEST_PAYLOAD_BYTES = 256 * 1024 * 1024

/** Two statements may each wait for a lock, and an agent waits for the hook. */
const BUSY_TIMEOUT_MILLIS = 900

/** A hook leaves its writes in the WAL. Whoever opens the store next reads all of that, so it is kept small. */
const CHECKPOINT_PAGES = 200

const HookStore = RecordingStoreLive({
  busyTimeoutMillis: BUSY_TIMEOUT_MILLIS,
  checkpointPages: CHECKPOINT_PAGES,
  whenMissing: "create",
  yieldsToImport: true,
})

/** An agent waits for the hook, so it drains only so many of the calls that others left in the spool. */
const DRAIN_LIMIT = 200

const drainSome = Effect.gen(function* () {
  const spool = yield* Spool
  if ((yield* spool.list).length === 0) return
  const { drainSpool } = yield* Effect.promise(() => import("./drainSpool.ts"))
  yield* drainSpool(DRAIN_LIMIT)
}).pipe(Effect.catchTag("PersistenceError", (error) => Effect.logWarning(`the spool is not drained: ${error.message}`)))

/**
 * The store stays open: the end of the process, which is near, closes it. To close it before would write the WAL back into
 * the database, which syncs twice, while the agent waits; SQLite does that once every so many calls.
 */
const record = (use: ToolUse) =>
  Effect.gen(function* () {
    const store = yield* Layer.buildWithScope(HookStore, yield* Scope.make())
    yield* recordToolUse(use).pipe(Effect.zipRight(drainSome), Effect.provide(store))
  }).pipe(spoolOnFailure(use))

interface Payload {
  readonly text: string
  /** What was wrong with the input. */
  readonly oddities: ReadonlyArray<string>
}

const readPayload: Effect.Effect<Payload, UnreadableInput> = Effect.map(
  readStandardInput({ patienceMillis: PATIENCE_SECONDS * 1000, limitBytes: LARGEST_PAYLOAD_BYTES }),
  ({ bytes, closed }) => ({
    text: bytes.toString("utf8"),
    oddities: [
      ...(closed ? [] : [`standard input was not closed within ${PATIENCE_SECONDS} seconds`]),
      ...(isUtf8(bytes) ? [] : ["the payload is not UTF-8"]),
    ],
  }),
)

const receive = ({ text, oddities }: Payload) =>
  receiveHookEvent(text).pipe(
    Effect.tap(() => (oddities.length > 0 ? Effect.logWarning(oddities.join("; ")) : Effect.void)),
    Effect.tapError((error) => Effect.logError([error.message, ...oddities].join("; "))),
    Effect.option,
  )

const handle = (event: ReceivedEvent): Effect.Effect<void, never, Home | Spool> => {
  switch (event._tag) {
    case "ToolUsed":
      return record(event.use)
    case "SessionBoundary":
      return startReconcile
    case "OtherHookEvent":
      return Effect.void
  }
}

/**
 * The hook: one payload on standard input becomes one recorded call. It never fails and prints nothing on stdout; what
 * goes wrong is one line in the log. The store is opened only for an event that is to be recorded.
 */
export const runHook: Effect.Effect<void> = Effect.gen(function* () {
  const event = yield* receive(yield* readPayload)
  if (Option.isSome(event)) yield* handle(event.value)
}).pipe(
  Effect.catchAllCause((cause) => Effect.logError(cause)),
  Effect.provide(HookEnvironment),
  // Without a home, there is no log file either.
  Effect.catchAllCause((cause) => Effect.logError(cause).pipe(Effect.provide(StderrLogger))),
  Effect.withTracerEnabled(false),
)
