import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"

/** Fails where better-sqlite3's compiled part is missing or is for another Node. The message names the command that mends it. */
export const checkDriver: Effect.Effect<void, PersistenceError> = Effect.try({
  try: () => void new Database(":memory:").close(),
  catch: (cause) => new PersistenceError({ operation: "use SQLite", reason: "unavailable", cause }),
})
