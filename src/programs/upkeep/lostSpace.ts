import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { Retention } from "../../services/Retention.ts"

/** Less is filled again soon, and no reason to write a whole file anew. */
const WORTH_A_REWRITE_BYTES = 1_000_000

/** The bytes that a store's file has no use for and keeps for ever, where they are many. */
export const findLostSpace: Effect.Effect<number, PersistenceError, Retention> = Effect.gen(function* () {
  const { unusedSpace } = yield* Retention
  const { bytes, canBeGivenBack } = yield* unusedSpace
  return !canBeGivenBack && bytes >= WORTH_A_REWRITE_BYTES ? bytes : 0
})
