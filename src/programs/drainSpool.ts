import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { discoveredTool } from "../domain/discoveredTool.ts"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import type { SpooledCall } from "../domain/SpooledCall.ts"
import { DrainLedger } from "../services/DrainLedger.ts"
import type { Projects } from "../services/Projects.ts"
import { Spool } from "../services/Spool.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import type { UsageEvents } from "../services/UsageEvents.ts"
import { recordToolUse } from "./recordToolUse.ts"

/** Bounds how long a batch holds the write lock. */
const BATCH = 200

const pay = ({ owed, use }: SpooledCall) =>
  owed === "call"
    ? // Within the transaction its event is taken back as well.
      Effect.catchTag(recordToolUse(use), "AggregateBehind", ({ cause }) => cause)
    : Effect.flatMap(ToolRegistry, (registry) => registry.recordOrCreate(discoveredTool(use), use.usedAt))

/**
 * Stores one spooled call. It is read under the write lock, and remembered in the same transaction, so that whichever of
 * several drains comes second finds it either gone or remembered.
 */
const drainCall = Effect.fn("drainCall")(function* (name: string) {
  const spool = yield* Spool
  const ledger = yield* DrainLedger
  if (yield* ledger.isDrained(name)) return false
  const call = yield* spool
    .read(name)
    .pipe(
      Effect.catchTag("UnreadableSpooledCall", (error) =>
        spool
          .setAside(name)
          .pipe(Effect.zipRight(Effect.logWarning(`${error.message}; it is set aside`)), Effect.as(Option.none())),
      ),
    )
  if (Option.isNone(call)) return false
  yield* pay(call.value)
  yield* ledger.remember(name)
  return true
})

/** Where there is no room for it, or none to write at all, calls are still spooled without. */
export const keepReserve: Effect.Effect<void, never, Spool> = Effect.flatMap(Spool, (spool) => spool.keepReserve).pipe(
  Effect.catchTag("PersistenceError", (error) => Effect.logDebug(error.message)),
)

/** Stores the spooled calls, oldest first and each exactly once, at most `limit` of them. Returns how many it stored. */
export const drainSpool = Effect.fn("drainSpool")(function* (
  limit: number = Number.POSITIVE_INFINITY,
): Effect.fn.Return<number, PersistenceError, Spool | DrainLedger | UsageEvents | ToolRegistry | Projects> {
  const spool = yield* Spool
  const ledger = yield* DrainLedger
  const names = (yield* spool.list).slice(0, limit)
  let stored = 0
  for (const batch of Arr.chunksOf(names, BATCH)) {
    const outcomes = yield* ledger.atomically(Effect.forEach(batch, drainCall))
    stored += outcomes.filter(Boolean).length
    yield* Effect.forEach(batch, spool.remove, { discard: true })
    yield* ledger.forget(batch)
  }
  if (names.length > 0) yield* keepReserve
  return stored
})
