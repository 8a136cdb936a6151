import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { ReadTranscript, TranscriptFile, UnreadableTranscript } from "../../domain/agents/TranscriptFile.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import type { DrainLedger } from "../../services/Transaction.ts"
import { TranscriptLedger } from "../../services/TranscriptLedger.ts"
import type { FoundTranscripts, TranscriptPart, Transcripts } from "../../services/Transcripts.ts"
import { type BatchLimits, FIRST_BATCH, nextBatchSize } from "../record/batchSize.ts"
import { holdingStore } from "../record/holdingStore.ts"
import { readTranscripts } from "./readTranscripts.ts"

/** As many as one statement takes. */
const CALLS_PER_PIECE = 500
const FILES_PER_BATCH = 1000

/** How an import writes, and how it shares the store with hooks, which wait for their turn, and look for it now and then. */
export interface Pace<R> {
  readonly batches: BatchLimits
  /** How long the store is free between two batches. In this time an interrupt is heard as well. */
  readonly pauseMillis: number
  /** Stores the calls of a batch, and returns how many were not known yet. */
  readonly record: (pieces: Iterable<ReadonlyArray<ToolUse>>) => Effect.Effect<number, PersistenceError, R>
}

/** What an import did, or has done so far. `calls_found` is the sum of the three counts that follow it. */
export interface ImportSummary {
  readonly files: number
  readonly lines: number
  readonly calls_found: number
  readonly recorded: number
  readonly already_known: number
  readonly without_result: number
  readonly broken_lines: number
  readonly seconds: number
}

export const emptySummary: ImportSummary = {
  files: 0,
  lines: 0,
  calls_found: 0,
  recorded: 0,
  already_known: 0,
  without_result: 0,
  broken_lines: 0,
  seconds: 0,
}

export interface ImportProgress {
  readonly files: number
  readonly filesDone: number
  readonly bytes: number
  readonly bytesDone: number
  readonly calls: number
}

export interface ImportListener {
  readonly onProgress: (progress: ImportProgress) => Effect.Effect<void>
  readonly onUnreadable: (error: UnreadableTranscript) => Effect.Effect<void>
  readonly onBrokenLine: (path: string, line: number) => Effect.Effect<void>
}

export interface ImportResult {
  readonly summary: ImportSummary
  readonly places: ReadonlyArray<string>
  readonly unreadable: number
}

/** Whether a file is as it was when it was read last. */
const isUnchanged = (file: TranscriptFile, read: ReadTranscript | undefined) =>
  read !== undefined && read.size === file.size && read.modifiedAt === file.modifiedAt

/** The calls of many parts, in pieces of one size; what is left is the last. */
function* pieces(parts: ReadonlyArray<TranscriptPart>): Generator<ReadonlyArray<ToolUse>> {
  let piece: Array<ToolUse> = []
  for (const { calls } of parts) {
    for (const call of calls) {
      piece.push(call)
      if (piece.length < CALLS_PER_PIECE) continue
      yield piece
      piece = []
    }
  }
  yield piece
}

/**
 * Records the calls of transcripts. Each batch is stored together with how far its transcripts are read, so that an import
 * that is cut short, however it is, goes on where it stopped. What is in it has no spans: there are many, and each is short.
 */
export const importTranscripts = Effect.fn("importTranscripts")(function* <R>(
  { files, places, unreadable }: FoundTranscripts,
  listener: ImportListener,
  pace: Pace<R>,
): Effect.fn.Return<ImportResult, PersistenceError, Transcripts | TranscriptLedger | DrainLedger | R> {
  const transcriptLedger = yield* TranscriptLedger
  const startedAt = yield* Clock.currentTimeMillis

  yield* Effect.forEach(unreadable, listener.onUnreadable, { discard: true })
  const known = yield* transcriptLedger.getAll
  const changed = files.filter((file) => !isUnchanged(file, known.get(file.path)))
  const bytes = changed.reduce((sum, { path, size }) => sum + size - (known.get(path)?.readBytes ?? 0), 0)

  const done = { files: files.length - changed.length, bytes: 0, lines: 0, calls: 0, recorded: 0, open: 0, broken: 0 }
  let unreadableFiles = unreadable.length
  let parts: Array<TranscriptPart> = []
  let waiting = 0
  let read = new Map<string, ReadTranscript>()

  let batchSize = FIRST_BATCH

  const store = Effect.gen(function* () {
    if (read.size === 0) return
    const { result, heldMillis } = yield* pace
      .record(pieces(parts))
      .pipe(Effect.zipLeft(transcriptLedger.remember([...read.values()])), holdingStore)
    batchSize = nextBatchSize(pace.batches, waiting, heldMillis)
    done.recorded += result
    parts = []
    waiting = 0
    read = new Map()
    yield* listener.onProgress({
      files: files.length,
      filesDone: done.files,
      bytes,
      bytesDone: done.bytes,
      calls: done.calls,
    })
    yield* Effect.sleep(pace.pauseMillis)
  })

  /** There are thousands of parts, and so it is without a span. */
  const take = Effect.fnUntraced(function* (part: TranscriptPart) {
    const { path } = part.read
    yield* Effect.forEach(part.brokenLines, (line) => listener.onBrokenLine(path, line), { discard: true })
    read.set(path, part.read)
    parts.push(part)
    waiting += part.callCount
    done.bytes += part.bytes
    done.lines += part.lines
    done.calls += part.callCount
    done.broken += part.brokenLines.length
    if (part.isEnd) {
      done.files++
      done.open += part.openCalls
    }
    if (waiting >= batchSize || read.size >= FILES_PER_BATCH) yield* store
  })

  const noteUnreadable = (error: UnreadableTranscript) => {
    done.files++
    unreadableFiles++
    return listener.onUnreadable(error)
  }

  yield* Stream.runForEach(readTranscripts(changed, known), Either.match({ onLeft: noteUnreadable, onRight: take }))
  yield* store

  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  return {
    summary: {
      files: files.length,
      lines: done.lines,
      calls_found: done.calls + done.open,
      recorded: done.recorded,
      already_known: done.calls - done.recorded,
      without_result: done.open,
      broken_lines: done.broken,
      seconds,
    },
    places,
    unreadable: unreadableFiles,
  }
}, Effect.withTracerEnabled(false))
