import * as Effect from "effect/Effect"
import { PersistenceError } from "../domain/PersistenceError.ts"

/** Turns whatever an operation of the store fails with into a `PersistenceError` that names the operation. */
export const failingTo = (
  operation: string,
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, PersistenceError, R>) =>
  Effect.mapError((cause) => (cause instanceof PersistenceError ? cause : new PersistenceError({ operation, cause })))
