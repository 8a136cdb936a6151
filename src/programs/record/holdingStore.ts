import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { DrainLedger } from "../../services/Transaction.ts"

export interface Held<A> {
  readonly result: A
  /** How long others could not write, in milliseconds. The wait until they let go is none of it. */
  readonly heldMillis: number
}

/** Runs all of an effect's writes to the store, or none, and tells for how long it held the store. */
export const holdingStore = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<Held<A>, E | PersistenceError, R | DrainLedger> =>
  Effect.gen(function* () {
    const { atomically } = yield* DrainLedger
    const [heldSince, result] = yield* atomically(Effect.zip(Clock.currentTimeMillis, effect))
    return { result, heldMillis: (yield* Clock.currentTimeMillis) - heldSince }
  })
