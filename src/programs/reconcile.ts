import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import { holdHomeLock } from "../layers/holdHomeLock.ts"
import type { DrainLedger } from "../services/DrainLedger.ts"
import type { Home } from "../services/Home.ts"
import type { Projects } from "../services/Projects.ts"
import type { ToolRegistry } from "../services/ToolRegistry.ts"
import type { TranscriptLedger } from "../services/TranscriptLedger.ts"
import type { Transcripts } from "../services/Transcripts.ts"
import type { UsageEvents } from "../services/UsageEvents.ts"
import type { UsageRollups } from "../services/UsageRollups.ts"
import { type ImportListener, type ImportResult, importTranscripts } from "./importTranscripts.ts"
import { fillRollups } from "./prune.ts"

type Recording =
  | Home
  | Transcripts
  | TranscriptLedger
  | DrainLedger
  | UsageEvents
  | ToolRegistry
  | Projects
  | UsageRollups

/** Another process does it just now. */
export class AlreadyReconciling extends Data.TaggedError("AlreadyReconciling") {
  override get message(): string {
    return "another process reconciles just now; it records what is missing"
  }
}

/**
 * Adds the calls that transcripts hold and the store lacks. Only transcripts that changed since they were read last are
 * looked into, and only one process on the machine does it at a time: a second fails.
 */
export const reconcile = Effect.fn("reconcile")(function* (
  listener: ImportListener,
): Effect.fn.Return<ImportResult, AlreadyReconciling | PersistenceError, Recording> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      yield* holdHomeLock("reconcile").pipe(Effect.catchTag("LockHeld", () => new AlreadyReconciling()))
      // Claude Code's own folder need not be there, and is not asked for by name.
      const result = yield* importTranscripts([], listener).pipe(Effect.catchTag("NoSuchPath", Effect.die))
      yield* fillRollups
      return result
    }),
  )
})
