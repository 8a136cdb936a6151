import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { NoTranscript, type ReadTranscript, type TranscriptFile } from "../../domain/agents/TranscriptFile.ts"
import { counted, printable } from "../../domain/text.ts"
import { TranscriptsRemembering } from "../../layers/agents/TranscriptsLive.ts"
import { fillNewStore } from "../../layers/fillNewStore.ts"
import { StoreDraftLive } from "../../layers/StoreDraftSql.ts"
import { unhurried } from "../../layers/store/connect.ts"
import { StoreLive } from "../../layers/store/Store.ts"
import { Retention } from "../../services/Retention.ts"
import { TranscriptLedger } from "../../services/TranscriptLedger.ts"
import { type FoundTranscripts, Transcripts } from "../../services/Transcripts.ts"
import { importBesideHooks } from "../history/importBesideHooks.ts"
import { appendTranscripts, finishImport } from "../history/importIntoDraft.ts"
import { emptySummary, type ImportListener, type ImportResult } from "../history/importTranscripts.ts"
import { TranscriptsInWorker } from "../transcriptWorker/TranscriptsInWorker.ts"
import { progressBar, type Shown } from "./render/terminal.ts"

/** By how much the heap grows before its garbage is collected; 0 leaves that to V8, which lets it grow to a multiple. */
const growHeapBy = (percent: number) => Effect.sync(() => setFlagsFromString(`--heap-growing-percent=${percent}`))

/**
 * An import makes much garbage, and with more room for it is hardly faster. Unlike Node's options this can be set while it
 * runs, and it is taken back: code that is cached under other flags is of no use.
 */
const inSmallHeap = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    growHeapBy(15),
    () => effect,
    () => growHeapBy(0),
  )

/** So many broken lines are named; of the others there is the count. */
const NAMED_LINES = 20

const RecordingStore = StoreLive({ ...unhurried, whenMissing: "create" })

/** The worker is built beside the program that runs. */
const workerBeside = Effect.sync(() => join(dirname(realpathSync(process.argv[1] ?? "")), "transcript-worker.cjs"))

const ReadTranscripts = Layer.unwrapEffect(Effect.map(workerBeside, (program) => TranscriptsInWorker(program))).pipe(
  Layer.provide(TranscriptsRemembering),
)

/** The transcripts, and the store that their calls go to, which is made where it is missing. */
export const TranscriptRecording = Layer.merge(RecordingStore, ReadTranscripts)

interface DraftListener extends ImportListener {
  /** All calls are there; what is left takes a while, and cannot be told part by part. */
  readonly onAppended: Effect.Effect<void>
}

/** Shows on a terminal how far it is, and names what cannot be read. */
export const showProgress = Effect.gen(function* () {
  const show = yield* progressBar
  let broken = 0
  let last: Shown = { doneBytes: 0, bytes: 0, text: "" }
  const listener: DraftListener = {
    onProgress: ({ files, filesDone, bytes, bytesDone, calls }) => {
      last = {
        doneBytes: bytesDone,
        bytes,
        text: `${filesDone} of ${counted(files, "file")}  ${counted(calls, "call")}`,
      }
      return show(last)
    },
    onAppended: Effect.suspend(() => show({ ...last, text: `${last.text}  putting them in order` })),
    onUnreadable: (error) => Effect.logWarning(error.message),
    onBrokenLine: (path, line) =>
      ++broken > NAMED_LINES
        ? Effect.void
        : Effect.logWarning(`${path}:${line} is no JSON of at most 64 MB and is left out`),
  }
  return listener
})

const INTERRUPTED = 130

/** Says on an interrupt that nothing is lost by it. The exit code is the shell's for it, so that what depends on the end does not go on. */
export const sayWhereItStopped = Effect.onInterrupt(() =>
  Effect.zipRight(
    Effect.logWarning("interrupted; the next import goes on where this one stopped"),
    Effect.sync(() => {
      process.exitCode = INTERRUPTED
    }),
  ),
)

/** Adds how many of the files, which are those at the import's paths, were read before it. */
const countReadBefore = <E, R>(files: ReadonlyArray<TranscriptFile>, imported: Effect.Effect<ImportResult, E, R>) =>
  Effect.gen(function* () {
    const { getAll } = yield* TranscriptLedger
    const known = yield* getAll
    return { ...(yield* imported), readBefore: files.filter(({ path }) => known.has(path)).length }
  })

/** Says so where calls may count as known only because nobody knows any more which were. */
const warnOfForgotten = ({ summary }: ImportResult) =>
  Effect.gen(function* () {
    const { forgottenBefore } = yield* Retention
    const forgotten = yield* forgottenBefore
    if (summary.already_known === 0 || Option.isNone(forgotten)) return
    yield* Effect.logWarning(
      `calls from before ${forgotten.value} were pruned by an older tooltrail, which kept no ids; all of that time count as known`,
    )
  })

const intoStore = (found: FoundTranscripts) =>
  Effect.flatMap(showProgress, (listener) => importBesideHooks(found, listener)).pipe(
    Effect.scoped,
    Effect.tap(warnOfForgotten),
    (imported) => countReadBefore(found.files, imported),
    Effect.provide(RecordingStore),
    Effect.catchTag("StoreMissing", Effect.die),
  )

const intoDraft = (found: FoundTranscripts) =>
  Effect.flatMap(showProgress, (listener) =>
    appendTranscripts(found, listener).pipe(Effect.zipLeft(listener.onAppended), Effect.flatMap(finishImport)),
  ).pipe(
    Effect.scoped,
    (imported) => countReadBefore(found.files, imported),
    Effect.provide(Layer.provideMerge(StoreDraftLive, RecordingStore)),
    Effect.catchTag("StoreMissing", Effect.die),
  )

const fromPresentTranscripts = (found: FoundTranscripts) =>
  Effect.flatMap(
    fillNewStore(intoDraft(found)),
    Option.match({ onSome: Effect.succeed, onNone: () => intoStore(found) }),
  )

/** Whether a file has no line that may be one of a transcript. Nothing behind the first that may be is looked at. */
const isForeign = ({ path }: TranscriptFile): Effect.Effect<boolean, never, Transcripts> =>
  Effect.gen(function* () {
    const { readOn } = yield* Transcripts
    let read = Option.none<ReadTranscript>()
    for (;;) {
      const part = yield* readOn({ path, read })
      if (part.lines > part.brokenLines.length) return false
      if (part.isEnd) return part.read.size > 0
      read = Option.some(part.read)
    }
  }).pipe(
    // The import will say why it cannot be read.
    Effect.catchTag("UnreadableTranscript", () => Effect.succeed(false)),
  )

export interface ImportedHistory extends ImportResult {
  /** How many of the transcripts were read by an earlier import, some perhaps not to their end. */
  readonly readBefore: number
  /** The files that were named and are no transcripts. They are left out. */
  readonly foreign: ReadonlyArray<NoTranscript>
}

/** Records the calls of transcripts, of all that Claude Code keeps where no path is given. Without any, no store is made. */
export const importHistory = (paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { find } = yield* Transcripts
    const { files, places, unreadable } = yield* find(paths)
    const named = paths.length === 0 ? [] : files.filter(({ path }) => places.includes(path))
    const foreign = yield* Effect.filter(named, isForeign)
    const others = { files: files.filter((file) => !foreign.includes(file)), places, unreadable }
    const result =
      others.files.length > 0 || unreadable.length > 0
        ? yield* fromPresentTranscripts(others)
        : { summary: emptySummary, places, unreadable: 0, readBefore: 0 }
    return { ...result, foreign: foreign.map(({ path }) => new NoTranscript({ path })) } satisfies ImportedHistory
  }).pipe(inSmallHeap, Effect.provide(ReadTranscripts), sayWhereItStopped)

export const renderImport = ({
  summary,
  places,
  unreadable,
  readBefore = 0,
}: ImportResult & Partial<Pick<ImportedHistory, "readBefore">>): string => {
  if (summary.files === 0) return `No transcripts in ${places.map(printable).join(", ")}.`
  const { recorded, already_known, without_result, broken_lines, seconds } = summary
  const parts = [
    ...(readBefore > 0 ? [`${readBefore} of them read before`] : []),
    `${already_known} known already`,
    `${without_result} without a result`,
    ...(broken_lines > 0 ? [counted(broken_lines, "broken line")] : []),
    ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
  ]
  return `Recorded ${counted(recorded, "call")} from ${counted(summary.files, "transcript")} in ${seconds.toFixed(1)} s (${parts.join(", ")}).`
}
