import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { discoveredTool } from "../../domain/discoveredTool.ts"
import type { SpooledCall } from "../../domain/SpooledCall.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { Projects } from "../../services/Projects.ts"
import { Spool } from "../../services/Spool.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { DrainLedger } from "../../services/Transaction.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import { FIRST_BATCH, nextBatchSize, storeBatches, withRest } from "./batchSize.ts"
import { holdingStore } from "./holdingStore.ts"
import { recordToolUse } from "./recordToolUse.ts"
import { recordToolUses } from "./recordToolUses.ts"

/** Fewer calls are recorded faster one by one. */
const WORTH_BULK = 50

interface NamedCall extends SpooledCall {
  /** Its name in the spool. */
  readonly name: string
}

const namesOf = (calls: ReadonlyArray<NamedCall>) => calls.map(({ name }) => name)

const without = (calls: ReadonlyArray<NamedCall>, names: ReadonlySet<string>) =>
  names.size === 0 ? calls : calls.filter(({ name }) => !names.has(name))

/** Returns the names of calls that the store would not know again, since it holds no event with their id. */
type Recording = Effect.Effect<ReadonlyArray<string>, PersistenceError, UsageEvents | ToolRegistry | Projects>

const recordOne = ({ name, owed, use }: NamedCall): Recording =>
  owed === "call"
    ? recordToolUse(use).pipe(
        // Within the transaction its event is taken back as well.
        Effect.catchTag("AggregateBehind", ({ cause }) => cause),
        Effect.map((outcome) => (outcome === "counted" || use.toolUseId === null ? [name] : [])),
      )
    : Effect.flatMap(ToolRegistry, (registry) => registry.recordOrCreate(discoveredTool(use), use.usedAt)).pipe(
        Effect.as([name]),
      )

/** Records calls that all owe the same. */
const recordRun = (calls: Arr.NonEmptyReadonlyArray<NamedCall>): Recording =>
  calls[0].owed === "call" && calls.length >= WORTH_BULK
    ? Effect.as(recordToolUses(calls.map(({ use }) => use)), namesOf(calls.filter(({ use }) => use.toolUseId === null)))
    : Effect.map(Effect.forEach(calls, recordOne), Arr.flatten)

const runsOf = (calls: ReadonlyArray<NamedCall>): ReadonlyArray<Arr.NonEmptyReadonlyArray<NamedCall>> =>
  Arr.isNonEmptyReadonlyArray(calls) ? Arr.groupWith(calls, (one, other) => one.owed === other.owed) : []

const setAside = Effect.fn("drainSpool.setAside")(function* (name: string, reason: string) {
  const spool = yield* Spool
  yield* spool.setAside(name)
  yield* Effect.logWarning(`${reason}; it is set aside`)
})

interface Rejected {
  readonly name: string
  readonly error: PersistenceError
}

interface Batch {
  /** How many calls it stored. */
  readonly stored: number
  /** The names that it remembers them by. */
  readonly remembered: ReadonlyArray<string>
  readonly rejected: ReadonlyArray<Rejected>
  /** How long the store was held for it. */
  readonly heldMillis: number
}

/** Reads spooled calls, which takes longer than to store them. What is none is set aside. */
const readAll = Effect.fn("drainSpool.readAll")(function* (names: ReadonlyArray<string>) {
  const spool = yield* Spool
  const calls: Array<NamedCall> = []
  for (const { name, call } of yield* spool.read(names)) {
    if (Option.isNone(call)) yield* setAside(name, `the spooled call ${name} cannot be read`)
    // A spread takes ten times as long.
    else calls.push({ name, owed: call.value.owed, use: call.value.use })
  }
  return calls
})

/**
 * Stores spooled calls. Whether they are still there is seen under the write lock, and those that have no event with an id are
 * remembered in the same transaction: whichever of several drains comes second, after it has read what the first one stores,
 * finds each gone, known or remembered.
 */
const storeAll = Effect.fn("drainSpool.storeAll")(function* (read: ReadonlyArray<NamedCall>) {
  const spool = yield* Spool
  const ledger = yield* DrainLedger
  const remembered = yield* ledger.getRemembered
  const waiting = without(read, remembered)
  const left = without(waiting, yield* spool.findGone(namesOf(waiting)))
  const unknowable = Arr.flatten(yield* Effect.forEach(runsOf(left), recordRun))
  if (unknowable.length > 0) yield* ledger.remember(unknowable)
  return {
    stored: left.length,
    remembered: [...namesOf(read.filter(({ name }) => remembered.has(name))), ...unknowable],
    rejected: [],
  }
})

/** Stores spooled calls in one transaction, or where the store rejects that, each half by itself, down to the call it rejects. */
const drainBatch = (
  calls: ReadonlyArray<NamedCall>,
): Effect.Effect<Batch, PersistenceError, Spool | DrainLedger | UsageEvents | ToolRegistry | Projects> =>
  Effect.map(holdingStore(storeAll(calls)), ({ result, heldMillis }) => ({ ...result, heldMillis })).pipe(
    Effect.catchIf(
      ({ reason }) => reason === "rejected",
      (error) =>
        Effect.gen(function* () {
          const [call] = calls
          if (calls.length === 1 && call !== undefined) {
            return { stored: 0, remembered: [], rejected: [{ name: call.name, error }], heldMillis: 0 }
          }
          yield* Effect.logDebug(`${error.message}; ${calls.length} spooled calls are stored in two parts`)
          const older = yield* drainBatch(calls.slice(0, calls.length >> 1))
          const younger = yield* drainBatch(calls.slice(calls.length >> 1))
          return {
            stored: older.stored + younger.stored,
            remembered: [...older.remembered, ...younger.remembered],
            rejected: [...older.rejected, ...younger.rejected],
            heldMillis: older.heldMillis + younger.heldMillis,
          }
        }),
    ),
  )

/**
 * Forgets the calls whose files are gone: of a drain that was cut short between removing and forgetting them. Nobody can read them
 * any more. Where the store is busy, a later drain forgets them.
 */
const forgetGone = (listed: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const spool = yield* Spool
    const ledger = yield* DrainLedger
    const unlisted = [...(yield* ledger.getRemembered)].filter((name) => !listed.has(name))
    if (unlisted.length === 0) return
    const gone = yield* spool.findGone(unlisted)
    if (gone.size > 0) yield* ledger.forget([...gone])
  }).pipe(Effect.catchTag("PersistenceError", (error) => Effect.logDebug(error.message)))

/** Where there is no room for it, or none to write at all, calls are still spooled without. */
export const keepReserve: Effect.Effect<void, never, Spool> = Effect.flatMap(Spool, (spool) => spool.keepReserve).pipe(
  Effect.catchTag("PersistenceError", (error) => Effect.logDebug(error.message)),
)

/**
 * Stores the spooled calls, oldest first and each exactly once, at most `limit` of them. A call that the store rejects while
 * it takes others is set aside. Returns how many it stored. What is in it has no spans: there are many, and each is short.
 */
export const drainSpool = Effect.fn("drainSpool")(function* (
  limit: number = Number.POSITIVE_INFINITY,
): Effect.fn.Return<number, PersistenceError, Spool | DrainLedger | UsageEvents | ToolRegistry | Projects> {
  const spool = yield* Spool
  const ledger = yield* DrainLedger
  const listed = yield* spool.list
  const names = listed.slice(0, limit)
  let stored = 0
  let size = FIRST_BATCH
  for (let from = 0; from < names.length; ) {
    const batch = names.slice(from, from + withRest(size, names.length - from))
    from += batch.length
    const calls = yield* readAll(batch)
    if (calls.length === 0) continue
    const { remembered, rejected, ...done } = yield* drainBatch(calls)
    size = nextBatchSize(storeBatches, calls.length, done.heldMillis)
    stored += done.stored
    yield* spool.remove(namesOf(without(calls, new Set(rejected.map(({ name }) => name)))))
    if (remembered.length > 0) yield* ledger.forget(remembered)
    const [first] = rejected
    // A store that takes none at all is itself at fault.
    if (first !== undefined && stored === 0) return yield* first.error
    for (const { name, error } of rejected) {
      yield* setAside(name, `${error.message}; the spooled call ${name} is rejected`)
    }
  }
  if (names.length === 0) return 0
  yield* forgetGone(new Set(listed))
  yield* keepReserve
  return stored
}, Effect.withTracerEnabled(false))
