import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { readConfiguration } from "../../layers/files/HomeFilesLive.ts"
import { holdHomeLock } from "../../layers/files/lock.ts"
import type { Home } from "../../services/Home.ts"
import type { Projects } from "../../services/Projects.ts"
import type { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import type { ToolRegistry } from "../../services/ToolRegistry.ts"
import type { Transaction } from "../../services/Transaction.ts"
import { type TranscriptLedger, Transcripts } from "../../services/Transcripts.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import { prune } from "../upkeep/prune.ts"
import { type ImportListener, type ImportResult, importTranscripts } from "./importTranscripts.ts"

type Recording =
  | Home
  | Transcripts
  | TranscriptLedger
  | Transaction
  | UsageEvents
  | ToolRegistry
  | Projects
  | StoreUpkeep

/** Another process is doing it already. */
export class AlreadyReconciling extends Data.TaggedError("AlreadyReconciling") {
  override get message(): string {
    return "another process reconciles just now; it records what is missing"
  }
}

/** Prunes what is older than the configuration says, if it says so. */
const retain = Effect.gen(function* () {
  const { retention } = yield* readConfiguration
  if (Option.isSome(retention)) yield* prune(retention.value)
}).pipe(Effect.catchTag("UnusableConfiguration", (error) => Effect.logWarning(error.message)))

/**
 * Adds the calls that transcripts hold and the store lacks. Only transcripts that changed since they were read last are
 * read, and only one process on the machine does it at a time: a second fails. Then it prunes, if that is configured.
 */
export const reconcile = Effect.fn("reconcile")(function* (
  listener: ImportListener,
): Effect.fn.Return<ImportResult, AlreadyReconciling | PersistenceError, Recording> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      yield* holdHomeLock("reconcile").pipe(Effect.catchTag("LockHeld", () => new AlreadyReconciling()))
      const { find } = yield* Transcripts
      // No path is named here, so `find` cannot miss one.
      const found = yield* Effect.catchTag(find([]), "NoSuchPath", Effect.die)
      const result = yield* importTranscripts(found, listener)
      yield* retain
      return result
    }),
  )
})
