import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { TimesByRoot } from "../../domain/timesByRoot.ts"
import type { Projects } from "../../services/Projects.ts"
import { StoreDraft } from "../../services/StoreDraft.ts"
import type { DrainLedger } from "../../services/Transaction.ts"
import type { TranscriptLedger } from "../../services/TranscriptLedger.ts"
import type { FoundTranscripts, Transcripts } from "../../services/Transcripts.ts"
import { draftBatches } from "../record/batchSize.ts"
import { rememberProjects } from "../record/rememberProjects.ts"
import { type ImportListener, type ImportResult, importTranscripts } from "./importTranscripts.ts"

/** Appends calls, and remembers their projects. Returns how many calls there are, known ones too. */
export const appendInPieces = Effect.fn("appendInPieces")(function* (
  pieces: Iterable<ReadonlyArray<ToolUse>>,
): Effect.fn.Return<number, PersistenceError, StoreDraft | Projects> {
  const draft = yield* StoreDraft
  const byRoot = new TimesByRoot()
  let count = 0
  const counted = function* () {
    for (const uses of pieces) {
      byRoot.add(uses)
      count += uses.length
      yield uses
    }
  }
  yield* draft.append(counted())
  yield* rememberProjects(byRoot)
  return count
})

/** As `importTranscripts`, into a store that nobody else sees yet, which is to be finished then. */
export const appendTranscripts = (
  found: FoundTranscripts,
  listener: ImportListener,
): Effect.Effect<
  ImportResult,
  PersistenceError,
  Transcripts | TranscriptLedger | DrainLedger | StoreDraft | Projects
> => importTranscripts(found, listener, { batches: draftBatches, pauseMillis: 0, record: appendInPieces })

/** Finishes a store that transcripts were appended to. Returns what was done in all. */
export const finishImport = Effect.fn("finishImport")(function* (
  appended: ImportResult,
): Effect.fn.Return<ImportResult, PersistenceError, StoreDraft> {
  const { finish } = yield* StoreDraft
  const [took, repeats] = yield* Effect.timed(finish)
  const { recorded, already_known, seconds } = appended.summary
  // Where an import is gone on with, calls that were appended before may be among the repeats.
  const known = Math.min(repeats, recorded)
  return {
    ...appended,
    summary: {
      ...appended.summary,
      recorded: recorded - known,
      already_known: already_known + known,
      // Whole milliseconds, as of any import.
      seconds: Math.round((seconds + Duration.toSeconds(took)) * 1000) / 1000,
    },
  }
})
