import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import type { Home } from "../../services/Home.ts"
import type { Spool } from "../../services/Spool.ts"
import { drainSpool } from "../record/drainSpool.ts"
import { type RecordOutcome, recordToolUse, spoolOnFailure } from "../record/recordToolUse.ts"
import { makeServedStore } from "./servedStore.ts"

const MAINTENANCE_INTERVAL = "1 second"

/** Small, because clients wait for a batch to end. */
const DRAIN_BATCH = 25

export interface Recorder {
  /** Ends when the call is committed or spooled. If neither works it is `lost`, which is logged. */
  readonly record: (use: ToolUse) => Effect.Effect<RecordOutcome | "spooled" | "lost">
  readonly isStoreAvailable: Effect.Effect<boolean>
}

const fromDefect = (cause: unknown) =>
  Effect.fail(new PersistenceError({ operation: "record the call", reason: "unavailable", cause }))

/**
 * Records calls in a store that stays open, one at a time: there is one connection, and no call may get into a transaction
 * of the drain. While the store is unavailable, calls go to the spool. Once a second the store is tried again and the spool
 * is drained, whoever filled it.
 */
export const makeRecorder: Effect.Effect<Recorder, never, Home | Spool | Scope.Scope> = Effect.gen(function* () {
  const spool = yield* Effect.context<Spool>()
  const store = yield* makeServedStore
  const inTurn = (yield* Effect.makeSemaphore(1)).withPermits(1)

  const record = (use: ToolUse) =>
    store.use(recordToolUse(use)).pipe(
      Effect.catchAllDefect(fromDefect),
      Effect.tapBoth({
        onFailure: (error) => store.giveUp(error),
        onSuccess: (outcome) => (outcome === "counted" ? store.renew : Effect.void),
      }),
      spoolOnFailure(use),
      inTurn,
      Effect.uninterruptible,
      Effect.provide(spool),
    )

  const drainBatch = store.use(drainSpool(DRAIN_BATCH).pipe(Effect.provide(spool))).pipe(
    Effect.catchAllDefect(fromDefect),
    Effect.tapError(() => store.renew),
    inTurn,
    Effect.uninterruptible,
  )

  // Waiting calls get their turn between two batches.
  const drain = Effect.iterate(DRAIN_BATCH, {
    while: (stored) => stored > 0,
    body: () => Effect.delay(drainBatch, "1 millis"),
  })

  let lastTrouble: string | undefined
  const maintain = Effect.gen(function* () {
    if (yield* Effect.uninterruptible(inTurn(store.reopen))) yield* Effect.logInfo("the store is usable again")
    if (!(yield* store.isAvailable)) return
    yield* drain
    lastTrouble = undefined
  }).pipe(
    Effect.catchAll((error) => {
      if (error.message === lastTrouble) return Effect.void
      lastTrouble = error.message
      return Effect.logWarning(`the spool is not drained: ${error.message}`)
    }),
    Effect.catchAllCause((cause) => Effect.logError(cause)),
  )

  yield* inTurn(store.use(Effect.void)).pipe(
    Effect.catchAll((error) => Effect.logWarning(`${error.message}; calls wait in the spool until it is usable`)),
  )
  yield* maintain.pipe(Effect.repeat(Schedule.spaced(MAINTENANCE_INTERVAL)), Effect.forkScoped)

  return { record, isStoreAvailable: store.isAvailable }
})
