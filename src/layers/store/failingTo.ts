import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"

/** SQLite's result codes that speak of the whole database. Source: https://www.sqlite.org/rescode.html */
const unavailable = /^SQLITE_(BUSY|LOCKED|FULL|READONLY|IOERR|CORRUPT|NOTADB|CANTOPEN|PROTOCOL|NOMEM)/

const sqliteCode = (cause: unknown): string => {
  if (!(cause instanceof Error)) return ""
  return "code" in cause && typeof cause.code === "string" ? cause.code : sqliteCode(cause.cause)
}

/** Turns whatever an operation of the store fails with into a `PersistenceError` that names the operation. */
export const failingTo = (
  operation: string,
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, PersistenceError, R>) =>
  Effect.mapError((cause) => {
    if (cause instanceof PersistenceError) return cause
    const reason = unavailable.test(sqliteCode(cause)) ? "unavailable" : "rejected"
    return new PersistenceError({ operation, reason, cause })
  })
