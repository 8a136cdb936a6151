import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/StoreError.ts"

/** Remembers in the store which spooled calls it holds, where it would not know them again, so that a drain that is cut short counts none twice. */
export class DrainLedger extends Context.Tag("tooltrail/services/DrainLedger")<
  DrainLedger,
  {
    /** Runs all of the effect's writes to the store, or none; only one such effect runs at a time on the machine. */
    readonly atomically: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | PersistenceError, R>
    /** The names of the calls that it remembers: those of a batch whose drain was cut short, and mostly none. */
    readonly getRemembered: Effect.Effect<ReadonlySet<string>, PersistenceError>
    readonly remember: (spoolNames: ReadonlyArray<string>) => Effect.Effect<void, PersistenceError>
    readonly forget: (spoolNames: ReadonlyArray<string>) => Effect.Effect<void, PersistenceError>
  }
>() {}
