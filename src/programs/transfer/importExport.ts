import * as FileSystem from "@effect/platform/FileSystem"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MADE_ID_PREFIX } from "../../domain/CallId.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import {
  isHeader,
  readHeader,
  readLine,
  type TransferHeader,
  type TransferRecord,
  toProject,
} from "../../domain/StoreTransfer.ts"
import { latestCredible, type Timestamp } from "../../domain/Timestamp.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { Projects } from "../../services/Projects.ts"
import { StoreTransfer } from "../../services/StoreTransfer.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import type { ToolRegistry } from "../../services/ToolRegistry.ts"
import { Transaction } from "../../services/Transaction.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { recordToolUses } from "../record/recordToolUses.ts"

/** The first that are left out are named. Of the others only the number is said. */
const MOST_NAMED = 5

/** Counts what cannot be read and is left out: lines of a file, rows of a database. */
export class LeftOut {
  count = 0

  constructor(
    readonly where: string,
    readonly things: "lines" | "rows",
  ) {}

  add(problem: string): Effect.Effect<void> {
    return Effect.suspend(() =>
      ++this.count <= MOST_NAMED ? Effect.logWarning(`${this.where}, ${problem}; it is left out`) : Effect.void,
    )
  }

  readonly sayCount: Effect.Effect<void> = Effect.suspend(() =>
    this.count > MOST_NAMED
      ? Effect.logWarning(`${this.where}: ${this.count} ${this.things} in all are left out`)
      : Effect.void,
  )
}

/** Bounds how long a batch holds the write lock. */
const BATCH_LINES = 1000

/** A first line is not longer than this. */
const HEAD_BYTES = 4096

export type Importing = StoreTransfer | StoreUpkeep | Transaction | UsageEvents | ToolRegistry | Projects

export interface ImportedExport {
  readonly lines: number
  readonly calls_found: number
  readonly recorded: number
  readonly already_known: number
  /** Calls from before the day up to which this store is pruned. They are not recorded. */
  readonly pruned: number
  readonly broken_lines: number
  readonly tools: number
  readonly projects: number
  /** False if the file ends before its export did. */
  readonly whole: boolean
  readonly seconds: number
}

const cannotImport = (path: string, reason: "unavailable" | "rejected") => (cause: unknown) =>
  cause instanceof PersistenceError ? cause : new PersistenceError({ operation: `import ${path}`, reason, cause })

/** The header of an export that is this file; none if it is something else, or not there. */
export const recogniseExport = (
  path: string,
): Effect.Effect<Option.Option<TransferHeader>, PersistenceError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    if (!(yield* files.exists(path))) return Option.none()
    const { type } = yield* files.stat(path)
    if (type === "Directory") return Option.none()
    const reject = cannotImport(path, "rejected")
    // A pipe gives its bytes once, and blocks who opens it until somebody writes.
    if (type !== "File") return yield* reject("it is not a file or a folder; write what it gives to a file first")
    const head = yield* files.stream(path, { bytesToRead: HEAD_BYTES }).pipe(Stream.decodeText(), Stream.mkString)
    const [line = ""] = head.replace(/^\ufeff/, "").split("\n", 1)
    if (/\btool_name,session_id,/.test(line)) {
      return yield* reject("it is CSV; import reads the lines of JSON that `tooltrail export` writes")
    }
    if (!isHeader(line)) return Option.none()
    return Option.some(yield* Either.mapLeft(readHeader(line), (problem) => reject(`its header is wrong: ${problem}`)))
  }).pipe(Effect.mapError(cannotImport(path, "unavailable")))

const timesOf = (record: TransferRecord): ReadonlyArray<Timestamp> => {
  if ("use" in record) return [record.use.usedAt]
  if ("project" in record) return [record.project.first_seen, record.project.last_seen]
  return "tool" in record ? [record.tool.discovered_at, record.tool.updated_at] : []
}

const hasOwnId = ({ toolUseId }: ToolUse) => !toolUseId.startsWith(MADE_ID_PREFIX)

/**
 * Imports what an export holds. Each call is recorded once, however often it is imported and from whichever of the stores that know
 * it. A line that cannot be read is logged and counted.
 */
export const importExport = Effect.fn("importExport")(function* (
  path: string,
  header: TransferHeader,
): Effect.fn.Return<ImportedExport, PersistenceError, FileSystem.FileSystem | Importing> {
  const files = yield* FileSystem.FileSystem
  const { atomically } = yield* Transaction
  const transfer = yield* StoreTransfer
  const events = yield* UsageEvents
  const projects = yield* Projects
  const started = yield* Clock.currentTimeMillis
  const latest = yield* latestCredible
  const prunedBefore = Option.getOrElse(yield* Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.prunedBefore), () => "")
  const leftOut = new LeftOut(path, "lines")
  const seen = { lines: 1, calls: 0, recorded: 0, pruned: 0, tools: 0 }
  const projectsSeen = new Set<string>()
  let isWhole = false

  const read = (text: string): Either.Either<TransferRecord, string> =>
    Either.filterOrLeft(
      readLine(text, header),
      (record) => timesOf(record).every((time) => time <= latest),
      () => "dated more than a day ahead",
    )

  const store = (records: ReadonlyArray<TransferRecord>) =>
    Effect.gen(function* () {
      const found = records.flatMap((record) => ("project" in record ? [record.project] : []))
      yield* projects.rememberAll(found.map(toProject))
      const tools = records.flatMap((record) => ("tool" in record ? [record.tool] : []))
      yield* transfer.mergeTools(tools)
      const uses = records.flatMap((record) => ("use" in record ? [record.use] : []))
      // Who exported them has read the transcripts of their sessions, and replaced its own provisional calls.
      const shown = uses.filter((use) => use.source === "transcript" && hasOwnId(use))
      yield* events.removeProvisional(shown, "first call")
      const recorded = yield* Effect.flatMap(transfer.withoutKnown(uses), recordToolUses)
      for (const { project_hash } of found) projectsSeen.add(project_hash)
      seen.tools += tools.length
      seen.calls += uses.length
      seen.recorded += recorded.length
      seen.pruned += uses.filter(({ usedAt }) => usedAt < prunedBefore).length
      for (const record of records) if ("end" in record) isWhole = record.end.events === seen.calls
    })

  yield* files.stream(path).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.mapError(cannotImport(path, "unavailable")),
    Stream.zipWithIndex,
    Stream.drop(1),
    Stream.filter(([text]) => text !== ""),
    Stream.rechunk(BATCH_LINES),
    Stream.runForEachChunk((lines) =>
      Effect.gen(function* () {
        const [problems, records] = Arr.partitionMap(lines, ([text, place]) =>
          Either.mapLeft(read(text), (reason) => `line ${place + 1}: ${reason}`),
        )
        yield* Effect.forEach(problems, (problem) => leftOut.add(problem), { discard: true })
        seen.lines += lines.length
        yield* atomically(store(records))
      }),
    ),
  )
  yield* leftOut.sayCount
  if (!isWhole) yield* Effect.logWarning(`${path} is not whole: its export ended early, or lines are missing`)
  return {
    lines: seen.lines,
    calls_found: seen.calls,
    recorded: seen.recorded,
    already_known: seen.calls - seen.recorded - seen.pruned,
    pruned: seen.pruned,
    broken_lines: leftOut.count,
    tools: seen.tools,
    projects: projectsSeen.size,
    whole: isWhole,
    seconds: ((yield* Clock.currentTimeMillis) - started) / 1000,
  }
})
