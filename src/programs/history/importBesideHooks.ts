import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { holdHomeLock } from "../../layers/files/holdHomeLock.ts"
import type { Home } from "../../services/Home.ts"
import type { Projects } from "../../services/Projects.ts"
import type { ToolRegistry } from "../../services/ToolRegistry.ts"
import type { DrainLedger } from "../../services/Transaction.ts"
import type { TranscriptLedger } from "../../services/TranscriptLedger.ts"
import type { FoundTranscripts, Transcripts } from "../../services/Transcripts.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { PAUSE_MILLIS, storeBatches } from "../record/batchSize.ts"
import { recordToolUses } from "../record/recordToolUses.ts"
import { type ImportListener, type ImportResult, importTranscripts, type Pace } from "./importTranscripts.ts"

/** Leaves hooks their turn. */
export const considerate: Pace<UsageEvents | ToolRegistry | Projects> = {
  batches: storeBatches,
  pauseMillis: PAUSE_MILLIS,
  record: (pieces) =>
    Effect.gen(function* () {
      const { identifyHookCalls } = yield* UsageEvents
      const uses = [...pieces].flat()
      yield* identifyHookCalls(uses)
      return yield* recordToolUses(uses)
    }),
}

/**
 * As `importTranscripts`, into a store that hooks use meanwhile. Its lock tells them to leave the WAL to it. Two may run at once,
 * the second without.
 */
export const importBesideHooks = (
  found: FoundTranscripts,
  listener: ImportListener,
): Effect.Effect<
  ImportResult,
  PersistenceError,
  Transcripts | TranscriptLedger | DrainLedger | UsageEvents | ToolRegistry | Projects | Home
> =>
  holdHomeLock("import").pipe(
    Effect.catchTag("LockHeld", () => Effect.void),
    Effect.zipRight(importTranscripts(found, listener, considerate)),
    Effect.scoped,
  )
