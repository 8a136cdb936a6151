import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import type { Projects } from "../../services/Projects.ts"
import { Spool } from "../../services/Spool.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { Transaction } from "../../services/Transaction.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import { recordToolUse } from "./recordToolUse.ts"
import { recordToolUses } from "./recordToolUses.ts"

/** Hooks wait while a batch is stored. */
const CALLS_PER_BATCH = 1000

interface SpooledCall {
  /** Its name in the spool. */
  readonly name: string
  readonly use: ToolUse
}

type Recording = ToolRegistry | UsageEvents | Projects

const setAside = Effect.fn("drainSpool.setAside")(function* (name: string, reason: string) {
  const spool = yield* Spool
  yield* spool.setAside(name)
  yield* Effect.logWarning(`${reason}; it is set aside`)
})

/** Reads spooled calls. What cannot be read is set aside. */
const readAll = Effect.fn("drainSpool.readAll")(function* (names: ReadonlyArray<string>) {
  const spool = yield* Spool
  const calls: Array<SpooledCall> = []
  for (const { name, use } of yield* spool.read(names)) {
    if (Option.isSome(use)) calls.push({ name, use: use.value })
    else yield* setAside(name, `the spooled call ${name} cannot be read`)
  }
  return calls
})

/**
 * Records spooled calls. If one is known already, a drain that was cut off stored it, or its event was stored and the
 * aggregate was not. Then its tool is counted again from the events.
 */
const recordAll = (calls: ReadonlyArray<SpooledCall>): Effect.Effect<void, PersistenceError, Recording> =>
  Effect.gen(function* () {
    const registry = yield* ToolRegistry
    const uses = calls.map(({ use }) => use)
    const [first] = uses
    if (first !== undefined && uses.length === 1) {
      if ((yield* recordToolUse(first)) === "known") yield* registry.refold(uses)
      return
    }
    const recorded = new Set(yield* recordToolUses(uses))
    yield* registry.refold(uses.filter((use) => !recorded.has(use)))
  })

interface Rejected {
  readonly name: string
  readonly error: PersistenceError
}

/** Stores spooled calls in one transaction. If the store rejects that, each half by itself, down to the call that it rejects. */
const storeBatch = (
  calls: ReadonlyArray<SpooledCall>,
): Effect.Effect<ReadonlyArray<Rejected>, PersistenceError, Transaction | Recording> =>
  Effect.flatMap(Transaction, ({ atomically }) => atomically(recordAll(calls))).pipe(
    Effect.as([]),
    Effect.catchIf(
      ({ reason }) => reason === "rejected",
      (error) =>
        Effect.gen(function* () {
          const [call] = calls
          if (call !== undefined && calls.length === 1) return [{ name: call.name, error }]
          yield* Effect.logDebug(`${error.message}; ${calls.length} spooled calls are stored in two parts`)
          const older = yield* storeBatch(calls.slice(0, calls.length >> 1))
          return [...older, ...(yield* storeBatch(calls.slice(calls.length >> 1)))]
        }),
    ),
  )

/** If there is no room for it, calls are still spooled without. */
export const keepReserve: Effect.Effect<void, never, Spool> = Effect.flatMap(Spool, (spool) => spool.keepReserve).pipe(
  Effect.catchTag("PersistenceError", (error) => Effect.logDebug(error.message)),
)

/**
 * Stores the spooled calls, oldest first, at most `limit` of them. It may be cut off anywhere and run beside others: a call is
 * known by its id. A call that the store rejects while it takes others is set aside. Returns how many were stored. What
 * it runs has no spans: there are many, and each is short.
 */
export const drainSpool = Effect.fn("drainSpool")(function* (
  limit: number = Number.POSITIVE_INFINITY,
): Effect.fn.Return<number, PersistenceError, Spool | Transaction | Recording> {
  const spool = yield* Spool
  const names = (yield* spool.list).slice(0, limit)
  let stored = 0
  for (let from = 0; from < names.length; from += CALLS_PER_BATCH) {
    const calls = yield* readAll(names.slice(from, from + CALLS_PER_BATCH))
    if (calls.length === 0) continue
    const rejected = yield* storeBatch(calls)
    const [first] = rejected
    // A store that takes none at all is itself at fault.
    if (first !== undefined && stored === 0 && rejected.length === calls.length) return yield* first.error
    const isRejected = new Set(rejected.map(({ name }) => name))
    const done = calls.filter(({ name }) => !isRejected.has(name))
    yield* spool.remove(done.map(({ name }) => name))
    stored += done.length
    for (const { name, error } of rejected) {
      yield* setAside(name, `${error.message}; the spooled call ${name} is rejected`)
    }
  }
  if (names.length > 0) yield* keepReserve
  return stored
}, Effect.withTracerEnabled(false))
