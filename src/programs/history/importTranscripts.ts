import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { holdHomeLock } from "../../layers/files/lock.ts"
import type { Home } from "../../services/Home.ts"
import type { Projects } from "../../services/Projects.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import type { ToolRegistry } from "../../services/ToolRegistry.ts"
import { Transaction } from "../../services/Transaction.ts"
import {
  type BrokenLine,
  type FoundTranscripts,
  type ReadTranscript,
  type TranscriptFile,
  TranscriptLedger,
  type TranscriptPart,
  Transcripts,
  type UnreadableTranscript,
} from "../../services/Transcripts.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { recordToolUses } from "../record/recordToolUses.ts"

const FILES_PER_BATCH = 1000

/** Most calls in the first batch, before it is known how long a batch takes, and in any other. */
const FIRST_BATCH = 4000
const FEWEST_CALLS = 1000
const MOST_CALLS = 20_000

/**
 * How long a batch keeps hooks waiting, and how long they find the store free after it. SQLite looks at a lock again after 1, 2,
 * 5, 10, 15, 20, 25, 25, 25, 50, 50 and then every 100 ms.
 */
const BATCH_MILLIS = 200
const PAUSE_MILLIS = 60

/** How many calls the next batch takes, after one of `calls` that took `millis`: at most four times as many. */
const nextBatchSize = (calls: number, millis: number): number =>
  Math.max(FEWEST_CALLS, Math.min(MOST_CALLS, 4 * calls, Math.trunc((calls * BATCH_MILLIS) / Math.max(1, millis))))

/** What an import did. `calls_found` is the sum of the four counts that follow it. */
export interface ImportSummary {
  readonly files: number
  readonly lines: number
  readonly calls_found: number
  readonly recorded: number
  readonly already_known: number
  /** Older than the day up to which calls are pruned, and so not recorded. */
  readonly pruned: number
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
  pruned: 0,
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
  readonly onBrokenLine: (path: string, broken: BrokenLine) => Effect.Effect<void>
}

export interface ImportResult {
  readonly summary: ImportSummary
  readonly places: ReadonlyArray<string>
  readonly unreadable: number
}

/** Whether a file is as it was when it was read last. */
const isUnchanged = (file: TranscriptFile, read: ReadTranscript | undefined) =>
  read !== undefined && read.size === file.size && read.modifiedAt === file.modifiedAt

type Importing = Transcripts | TranscriptLedger | Transaction | StoreUpkeep | UsageEvents | ToolRegistry | Projects

/** As `importTranscripts`, without its lock. There are thousands of parts and batches, so they have no spans. */
const importAll = Effect.fnUntraced(function* (
  { files, places, unreadable }: FoundTranscripts,
  listener: ImportListener,
): Effect.fn.Return<ImportResult, PersistenceError, Importing> {
  const transcripts = yield* Transcripts
  const ledger = yield* TranscriptLedger
  const { removeProvisional } = yield* UsageEvents
  const { atomically } = yield* Transaction
  const startedAt = yield* Clock.currentTimeMillis

  yield* Effect.forEach(unreadable, listener.onUnreadable, { discard: true })
  const known = yield* ledger.getAll
  const historyFrom = Option.getOrElse(yield* ledger.historyFrom, () => "")
  const prunedBefore = Option.getOrElse(yield* Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.prunedBefore), () => "")
  const changed = files.filter((file) => !isUnchanged(file, known.get(file.path)))
  const bytes = changed.reduce((sum, { path, size }) => sum + size - (known.get(path)?.readBytes ?? 0), 0)

  const done = { files: files.length - changed.length, bytes: 0, lines: 0, calls: 0, recorded: 0, pruned: 0 }
  const leftOut = { open: 0, broken: 0 }
  let unreadableFiles = unreadable.length
  let calls: Array<ToolUse> = []
  let read = new Map<string, ReadTranscript>()
  let batchSize = FIRST_BATCH
  let freeSince = startedAt - PAUSE_MILLIS

  /** Hooks have their turn while this reads on, and some time more if that is short. An interrupt is noticed while it sleeps. */
  const letHooksIn = Effect.gen(function* () {
    const free = (yield* Clock.currentTimeMillis) - freeSince
    yield* Effect.sleep(Math.max(0, PAUSE_MILLIS - free))
  })

  const store = Effect.gen(function* () {
    if (read.size === 0) return
    yield* letHooksIn
    const [heldSince, recorded] = yield* removeProvisional(calls).pipe(
      Effect.zipRight(recordToolUses(calls)),
      Effect.zipLeft(ledger.remember([...read.values()])),
      // The wait until others release the lock does not count.
      (storing) => atomically(Effect.zip(Clock.currentTimeMillis, storing)),
    )
    freeSince = yield* Clock.currentTimeMillis
    batchSize = nextBatchSize(calls.length, freeSince - heldSince)
    done.recorded += recorded.length
    calls = []
    read = new Map()
  })

  const take = Effect.fnUntraced(function* (part: TranscriptPart) {
    const { path } = part.read
    yield* Effect.forEach(part.brokenLines, (broken) => listener.onBrokenLine(path, broken), { discard: true })
    read.set(path, part.read)
    for (const call of part.calls) {
      if (call.usedAt < historyFrom) continue
      calls.push(call)
      done.calls++
      if (call.usedAt < prunedBefore) done.pruned++
    }
    done.bytes += part.bytes
    done.lines += part.lines
    leftOut.broken += part.brokenLines.length
    if (part.isEnd) {
      done.files++
      leftOut.open += part.openCalls
    }
    yield* listener.onProgress({
      files: files.length,
      filesDone: done.files,
      bytes,
      bytesDone: done.bytes,
      calls: done.calls,
    })
    if (calls.length >= batchSize || read.size >= FILES_PER_BATCH) yield* store
  })

  const noteUnreadable = (error: UnreadableTranscript) => {
    done.files++
    unreadableFiles++
    return listener.onUnreadable(error)
  }

  for (const { path } of changed) {
    let place = Option.fromNullable(known.get(path))
    for (let isEnd = false; !isEnd; ) {
      const part = yield* Effect.either(transcripts.readOn({ path, read: place }))
      yield* Either.match(part, { onLeft: noteUnreadable, onRight: take })
      isEnd = Either.isLeft(part) || part.right.isEnd
      place = Option.map(Either.getRight(part), ({ read }) => read)
    }
  }
  yield* store

  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  return {
    summary: {
      files: files.length,
      lines: done.lines,
      calls_found: done.calls + leftOut.open,
      recorded: done.recorded,
      already_known: done.calls - done.recorded - done.pruned,
      pruned: done.pruned,
      without_result: leftOut.open,
      broken_lines: leftOut.broken,
      seconds,
    },
    places,
    unreadable: unreadableFiles,
  }
}, Effect.withTracerEnabled(false))

/**
 * Records the calls of transcripts in a store that hooks may use meanwhile. Each batch is stored together with how far its
 * transcripts are read, so that the next import continues after one that was killed. The lock makes hooks leave the WAL to the
 * import; of two at once, the second runs without it.
 */
export const importTranscripts = Effect.fn("importTranscripts")(function* (
  found: FoundTranscripts,
  listener: ImportListener,
): Effect.fn.Return<ImportResult, PersistenceError, Importing | Home> {
  const lock = Effect.catchTag(holdHomeLock("import"), "LockHeld", () => Effect.void)
  return yield* Effect.scoped(Effect.zipRight(lock, importAll(found, listener)))
})
