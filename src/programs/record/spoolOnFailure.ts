import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { StoreMissing } from "../../domain/StoreMissing.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { Spool } from "../../services/Spool.ts"
import type { AggregateBehind } from "./recordToolUse.ts"

/** Where the store could not take a call, the spool does, and one line in the log says so. Where neither can, it says that. */
export const spoolOnFailure =
  (use: ToolUse) =>
  <A, R>(
    recording: Effect.Effect<A, PersistenceError | StoreMissing | AggregateBehind, R>,
  ): Effect.Effect<A | "spooled" | "lost", never, R | Spool> =>
    Effect.catchAll(recording, (failure) =>
      Effect.gen(function* () {
        const spool = yield* Spool
        yield* spool.append({ owed: failure._tag === "AggregateBehind" ? "aggregate" : "call", use })
        yield* Effect.logWarning(`${failure.message}; the call is kept in the spool`)
        return "spooled" as const
      }).pipe(
        Effect.catchTag("PersistenceError", (spoolFailure) =>
          Effect.logError(`${failure.message}; ${spoolFailure.message}; a ${use.toolName} call is lost`).pipe(
            Effect.as("lost" as const),
          ),
        ),
      ),
    )
