import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/StoreError.ts"

/** The store's transactions. */
export class Transaction extends Context.Tag("tooltrail/services/Transaction")<
  Transaction,
  {
    /** Runs all of the effect's writes to the store, or none; only one such effect runs at a time on the machine. */
    readonly atomically: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | PersistenceError, R>
  }
>() {}
