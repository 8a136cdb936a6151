import { existsSync } from "node:fs"
import { resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import type { TransferHeader } from "../../domain/StoreTransfer.ts"
import { now } from "../../domain/Timestamp.ts"
import { counted, printable } from "../../domain/text.ts"
import { laminarkPlaces, openLaminarkFile } from "../../layers/agents/laminarkFile.ts"
import { TranscriptsRemembering } from "../../layers/agents/TranscriptsLive.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { commandConnection } from "../../layers/store/connect.ts"
import { StoreLive } from "../../layers/store/Store.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { StoreTransferSql } from "../../layers/store/StoreTransferSql.ts"
import {
  type FoundTranscripts,
  NoTranscript,
  type TranscriptFile,
  TranscriptLedger,
  Transcripts,
} from "../../services/Transcripts.ts"
import {
  emptySummary,
  type ImportListener,
  type ImportResult,
  importTranscripts,
} from "../history/importTranscripts.ts"
import { type ImportedExport, type Importing, importExport, recogniseExport } from "../transfer/importExport.ts"
import { type ImportedLaminark, importLaminark } from "../transfer/importLaminark.ts"
import { explainDamage } from "../upkeep/doctor.ts"
import { described } from "./command.ts"
import { argument, json } from "./options.ts"
import { progressBar } from "./render/terminal.ts"

/** So many broken lines are named; the others are counted. */
const NAMED_LINES = 20

const RecordingStore = StoreLive({ ...commandConnection, whenMissing: "create" })

/** The transcripts, and the store that their calls go to, which is made if it is missing. */
export const TranscriptRecording = Layer.merge(RecordingStore, TranscriptsRemembering)

/** Shows on a terminal how far it is, and names what cannot be read. */
export const showProgress = Effect.gen(function* () {
  const show = yield* progressBar
  let broken = 0
  const listener: ImportListener = {
    onProgress: ({ files, filesDone, bytes, bytesDone, calls }) =>
      show({
        doneBytes: bytesDone,
        bytes,
        text: `${filesDone} of ${counted(files, "file")}  ${counted(calls, "call")}`,
      }),
    onUnreadable: (error) => Effect.logWarning(error.message),
    onBrokenLine: (path, { line, reason }) =>
      ++broken > NAMED_LINES ? Effect.void : Effect.logWarning(`${path}:${line} is ${reason} and is left out`),
  }
  return listener
})

const INTERRUPTED = 130

/** Says on an interrupt that nothing is lost. The exit code is the shell's for it, so that no command that needs the import runs. */
export const sayWhereItStopped = Effect.onInterrupt(() =>
  Effect.zipRight(
    Effect.logWarning("interrupted; the next import continues from here"),
    Effect.sync(() => {
      process.exitCode = INTERRUPTED
    }),
  ),
)

const intoStore = (found: FoundTranscripts) =>
  Effect.gen(function* () {
    const ledger = yield* TranscriptLedger
    yield* ledger.takeHistory
    const known = yield* ledger.getAll
    const imported = yield* importTranscripts(found, yield* showProgress)
    return { ...imported, readBefore: found.files.filter(({ path }) => known.has(path)).length }
  }).pipe(Effect.scoped, Effect.provide(RecordingStore), Effect.catchTag("StoreMissing", Effect.die))

/** Whether the first megabytes of a file have no line that may be one of a transcript. */
const isForeign = ({ path }: TranscriptFile) =>
  Effect.gen(function* () {
    const { readOn } = yield* Transcripts
    const { lines, brokenLines, read } = yield* readOn({ path, read: Option.none() })
    return lines === brokenLines.length && read.size > 0
  }).pipe(
    // The import will say why it cannot be read.
    Effect.catchTag("UnreadableTranscript", () => Effect.succeed(false)),
  )

/** Makes the store, and leaves what was called until now out of it, unless an import asks for it. */
export const leaveHistoryOut = Effect.gen(function* () {
  const { leaveHistoryBefore } = yield* TranscriptLedger
  yield* leaveHistoryBefore(yield* now)
}).pipe(Effect.provide(RecordingStore), Effect.catchTag("StoreMissing", Effect.die))

/**
 * Records the calls of transcripts, of all that Claude Code keeps if no path is given. Without any, no store is made. `foreign` are
 * files that were named and are no transcripts; they are left out.
 */
export const importHistory = (paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { find } = yield* Transcripts
    const { files, places, unreadable } = yield* find(paths)
    const named = paths.length === 0 ? [] : files.filter(({ path }) => places.includes(path))
    const foreign = yield* Effect.filter(named, isForeign)
    const others = { files: files.filter((file) => !foreign.includes(file)), places, unreadable }
    const result =
      others.files.length > 0 || unreadable.length > 0
        ? yield* intoStore(others)
        : { summary: emptySummary, places, unreadable: 0, readBefore: 0 }
    return { ...result, foreign: foreign.map(({ path }) => new NoTranscript({ path })) }
  }).pipe(Effect.provide(TranscriptsRemembering), sayWhereItStopped)

/** `readBefore`: how many of the transcripts were read by an earlier import, some perhaps not to their end. */
export const renderImport = (result: ImportResult & { readonly readBefore?: number }): string => {
  const { summary, places, unreadable, readBefore = 0 } = result
  if (summary.files === 0) return `No transcripts in ${places.map(printable).join(", ")}.`
  const { recorded, already_known, pruned, without_result, broken_lines, seconds } = summary
  const parts = [
    ...(readBefore > 0 ? [`${readBefore} of them read before`] : []),
    `${already_known} known already`,
    ...(pruned > 0 ? [`${pruned} older than what was pruned`] : []),
    `${without_result} without a result`,
    ...(broken_lines > 0 ? [counted(broken_lines, "broken line")] : []),
    ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
  ]
  return `Recorded ${counted(recorded, "call")} from ${counted(summary.files, "transcript")} in ${seconds.toFixed(1)} s (${parts.join(", ")}).`
}

const takeTranscripts = (paths: ReadonlyArray<string>, asJson: boolean) =>
  Effect.gen(function* () {
    const result = yield* importHistory(paths)
    const [first, ...others] = result.foreign
    if (first === undefined || result.summary.files > 0) {
      yield* Console.log(asJson ? JSON.stringify(result.summary) : renderImport(result))
    }
    yield* Effect.forEach(others, (other) => Effect.logError(other.message), { discard: true })
    if (first !== undefined) return yield* first
  }).pipe(
    Effect.catchTag("PersistenceError", explainDamage),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  )

/** With the store, which is made if there is none. */
const withStore = <A, R>(effect: Effect.Effect<A, PersistenceError, R | Importing>) =>
  effect.pipe(
    Effect.provide(Layer.provideMerge(StoreTransferSql, RecordingStore)),
    Effect.catchTag("StoreMissing", Effect.die),
    Effect.catchTag("PersistenceError", explainDamage),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
    // Nobody collects the spans, and a row costs less than its own.
    Effect.withTracerEnabled(false),
  )

const renderTaken = (path: string, done: ImportedExport | ImportedLaminark, more: ReadonlyArray<string>) => {
  const parts = [
    `${done.already_known} known already`,
    ...(done.pruned === 0 ? [] : [`${done.pruned} older than what was pruned`]),
    ...more,
  ]
  return `Recorded ${counted(done.recorded, "call")} from ${printable(path)} (${parts.join(", ")}).`
}

/** Imports a file that `tooltrail export` wrote. */
const takeExport = (path: string, header: TransferHeader, asJson: boolean) =>
  Effect.gen(function* () {
    const done = yield* withStore(importExport(path, header))
    if (asJson) return yield* Console.log(JSON.stringify({ files: 1, ...done }))
    const broken = done.broken_lines === 0 ? [] : [counted(done.broken_lines, "broken line")]
    yield* Console.log(renderTaken(path, done, broken))
  })

const refuse = (what: string, cause: string) =>
  new PersistenceError({ operation: `import ${what}`, reason: "rejected", cause })

const findLaminark = Effect.gen(function* () {
  const places = yield* laminarkPlaces
  const place = places.find((path) => existsSync(path))
  if (place !== undefined) return place
  return yield* refuse("laminark", `there is no ${places.join(" and no ")}; name its database`)
})

/** Imports laminark's database at this path, or the one in its usual place. */
const takeLaminark = (given: string | undefined, asJson: boolean) =>
  Effect.gen(function* () {
    const path = given === undefined ? yield* findLaminark : resolve(given)
    const file = yield* openLaminarkFile(path)
    const done = yield* withStore(importLaminark(file))
    if (asJson) return yield* Console.log(JSON.stringify({ path, ...done }))
    const more = [
      ...(done.counted_only === 0 ? [] : [`${counted(done.counted_only, "use")} that it only counted`]),
      ...(done.broken_rows === 0 ? [] : [counted(done.broken_rows, "broken row")]),
    ]
    yield* Console.log(renderTaken(path, done, more))
  }).pipe(Effect.scoped)

const paths = argument(
  "path",
  "Transcripts, or folders with transcripts. Default: all that Claude Code keeps. Or one file that `tooltrail export` wrote. Or `laminark`, and then the path of its database if it is not in the usual place.",
).pipe(Args.repeated)

export const importCalls = Command.make("import", { paths, json }, ({ paths, json }) =>
  Effect.gen(function* () {
    const [first, second, ...others] = paths
    if (first === "laminark") {
      if (others.length > 0) return yield* refuse("laminark", "one database at a time")
      return yield* takeLaminark(second, json)
    }
    for (const path of paths) {
      const header = yield* recogniseExport(resolve(path))
      if (Option.isNone(header)) continue
      if (paths.length > 1) return yield* refuse(path, "it is an export, which is imported by itself")
      return yield* takeExport(resolve(path), header.value, json)
    }
    yield* takeTranscripts(paths, json)
  }),
).pipe(
  described(
    "Records past calls from Claude Code's transcripts, from an export, or from laminark's database. Each is recorded once, however often it is imported.",
    "tooltrail import ~/.claude/projects",
  ),
)
