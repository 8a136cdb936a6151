import * as Effect from "effect/Effect"
import { DetailPruned, PersistenceError } from "../../domain/StoreError.ts"

/** SQLite's result codes that are about the whole database. Source: https://www.sqlite.org/rescode.html */
const unavailable = /^SQLITE_(BUSY|LOCKED|FULL|READONLY|IOERR|CORRUPT|NOTADB|CANTOPEN|PROTOCOL|NOMEM)/

const sqliteCode = (cause: unknown): string => {
  if (!(cause instanceof Error)) return ""
  return "code" in cause && typeof cause.code === "string" ? cause.code : sqliteCode(cause.cause)
}

/** Turns what an operation of the store fails with into a `PersistenceError` that names the operation. `DetailPruned` is passed on. */
export const failingTo =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, PersistenceError | (E & DetailPruned), R> =>
    Effect.mapError(effect, (cause) => {
      if (cause instanceof PersistenceError || cause instanceof DetailPruned) return cause
      const reason = unavailable.test(sqliteCode(cause)) ? "unavailable" : "rejected"
      return new PersistenceError({ operation, reason, cause })
    })
