import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import type { NoSuchPath, ReadTranscript, TranscriptFile, UnreadableTranscript } from "../domain/TranscriptFile.ts"
import { DrainLedger } from "../services/DrainLedger.ts"
import type { Projects } from "../services/Projects.ts"
import type { ToolRegistry } from "../services/ToolRegistry.ts"
import { TranscriptLedger } from "../services/TranscriptLedger.ts"
import { Transcripts } from "../services/Transcripts.ts"
import type { UsageEvents } from "../services/UsageEvents.ts"
import { recordToolUses } from "./recordToolUses.ts"

/** Bounds how long a batch holds the write lock, for hooks wait for it: to some 100 ms. */
const CALLS_PER_BATCH = 8000
const FILES_PER_BATCH = 1000

/** Between two batches a hook that waits gets its turn, and an interrupt is heard. */
const PAUSE = "5 millis"

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

/**
 * Records the calls of the transcripts at these paths, or of all that Claude Code keeps. Each batch is stored together with
 * how far its transcripts are read, so that an import that is cut short, however it is, goes on where it stopped.
 */
export const importTranscripts = Effect.fn("importTranscripts")(function* (
  paths: ReadonlyArray<string>,
  listener: ImportListener,
): Effect.fn.Return<
  ImportResult,
  NoSuchPath | PersistenceError,
  Transcripts | TranscriptLedger | DrainLedger | UsageEvents | ToolRegistry | Projects
> {
  const transcripts = yield* Transcripts
  const transcriptLedger = yield* TranscriptLedger
  const { atomically } = yield* DrainLedger
  const startedAt = yield* Clock.currentTimeMillis

  const { files, places, unreadable } = yield* transcripts.find(paths)
  yield* Effect.forEach(unreadable, listener.onUnreadable, { discard: true })
  const known = yield* transcriptLedger.getAll
  const changed = files.filter((file) => !isUnchanged(file, known.get(file.path)))
  const bytes = changed.reduce((sum, { path, size }) => sum + size - (known.get(path)?.readBytes ?? 0), 0)

  const done = { files: files.length - changed.length, bytes: 0, lines: 0, calls: 0, recorded: 0, open: 0, broken: 0 }
  let unreadableFiles = unreadable.length
  let calls: Array<ToolUse> = []
  let read = new Map<string, ReadTranscript>()

  const store = Effect.gen(function* () {
    if (read.size === 0) return
    const recorded = yield* atomically(
      recordToolUses(calls).pipe(Effect.zipLeft(transcriptLedger.remember([...read.values()]))),
    )
    done.recorded += recorded.length
    calls = []
    read = new Map()
    yield* listener.onProgress({
      files: files.length,
      filesDone: done.files,
      bytes,
      bytesDone: done.bytes,
      calls: done.calls,
    })
    yield* Effect.sleep(PAUSE)
  })

  /** Reads a transcript to its end, and stores whenever enough has come together. */
  const readThrough = Effect.fn("importTranscripts.readThrough")(function* (path: string) {
    let from = Option.fromNullable(known.get(path))
    for (;;) {
      const part = yield* transcripts.readOn(path, from)
      yield* Effect.forEach(part.brokenLines, (line) => listener.onBrokenLine(path, line), { discard: true })
      from = Option.some(part.read)
      read.set(path, part.read)
      // Not spread into `push`: a part may hold more calls than a call may have arguments.
      calls = calls.length === 0 ? [...part.calls] : calls.concat(part.calls)
      done.bytes += part.bytes
      done.lines += part.lines
      done.calls += part.calls.length
      done.broken += part.brokenLines.length
      if (part.isEnd) {
        done.open += part.openCalls
        return
      }
      if (calls.length >= CALLS_PER_BATCH) yield* store
    }
  })

  for (const { path } of changed) {
    yield* readThrough(path).pipe(
      Effect.catchTag("UnreadableTranscript", (error) => {
        unreadableFiles++
        return listener.onUnreadable(error)
      }),
    )
    done.files++
    if (calls.length >= CALLS_PER_BATCH || read.size >= FILES_PER_BATCH) yield* store
  }
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
})
