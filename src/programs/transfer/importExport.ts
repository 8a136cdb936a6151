import { createReadStream } from "node:fs"
import { pipeline } from "node:stream"
import * as FileSystem from "@effect/platform/FileSystem"
import { parse } from "csv-parse"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { inferredTool } from "../../domain/inferredTool.ts"
import { projectFromRoot } from "../../domain/projectFromRoot.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import {
  TRANSFER_VERSION,
  type TransferEnd,
  type TransferRecord,
  type TransferredEvent,
  type TransferredProject,
  toolKey,
} from "../../domain/StoreTransfer.ts"
import {
  type CsvRow,
  fromCsvRow,
  fromJsonLine,
  readHeader,
  recogniseFormat,
  type TransferFormat,
} from "../../domain/transferText.ts"
import { StoreImport } from "../../services/StoreTransfer.ts"
import { DrainLedger } from "../../services/Transaction.ts"

/** Bounds how long a batch holds the write lock. */
const BATCH_LINES = 1000

/** Broken lines that are named; of the others only how many there are is said. */
const MOST_NAMED = 5

/** A first line is not longer than this. */
const HEAD_BYTES = 4096

export interface ImportedExport {
  readonly lines: number
  readonly calls_found: number
  readonly recorded: number
  readonly already_known: number
  readonly broken_lines: number
  readonly tools: number
  readonly projects: number
  /** False where the file ends before its export did; null where the format does not tell. */
  readonly whole: boolean | null
  readonly seconds: number
}

interface Line {
  readonly number: number
  readonly read: Either.Either<ReadonlyArray<TransferRecord>, string>
}

const cannotImport = (path: string, reason: "unavailable" | "rejected") => (cause: unknown) =>
  cause instanceof PersistenceError ? cause : new PersistenceError({ operation: `import ${path}`, reason, cause })

/** How an export that is this file is written; none where it is something else, or not there. */
export const recogniseExport = (
  path: string,
): Effect.Effect<Option.Option<TransferFormat>, PersistenceError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    if (!(yield* files.exists(path))) return Option.none()
    const { type } = yield* files.stat(path)
    if (type === "Directory") return Option.none()
    // A pipe gives its bytes once, and blocks who opens it until somebody writes.
    if (type !== "File") {
      return yield* cannotImport(
        path,
        "rejected",
      )("it is no regular file and no folder; write what it gives to a file first")
    }
    const head = yield* files.stream(path, { bytesToRead: HEAD_BYTES }).pipe(Stream.decodeText(), Stream.mkString)
    return recogniseFormat(head.split("\n", 1)[0] ?? "")
  }).pipe(Effect.mapError(cannotImport(path, "unavailable")))

const jsonLines = (path: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    let store = ""
    return files.stream(path).pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.mapError(cannotImport(path, "unavailable")),
      Stream.zipWithIndex,
      Stream.filter(([text]) => text !== ""),
      Stream.mapEffect(([text, place]): Effect.Effect<Line, PersistenceError> => {
        const number = place + 1
        if (number > 1) {
          return Effect.succeed({ number, read: Either.map(fromJsonLine(text, store), (record) => [record]) })
        }
        const header = readHeader(text.replace(/^\ufeff/, ""))
        if (Option.isNone(header)) {
          return Effect.fail(cannotImport(path, "rejected")("its first line is no header of an export"))
        }
        if (header.value.version > TRANSFER_VERSION) {
          const versions = `it has version ${header.value.version}, this program reads up to ${TRANSFER_VERSION}`
          return Effect.fail(cannotImport(path, "rejected")(`${versions}; update tooltrail`))
        }
        store = header.value.store
        return Effect.succeed({ number, read: Either.right([{ _tag: "Header", header: header.value }]) })
      }),
    )
  })

/** A row knows its project's folder, and not when that was seen first and last. */
const recordsOf = ({ event, projectRoot }: CsvRow): ReadonlyArray<TransferRecord> => {
  const { project_hash, created_at } = event
  const record = { _tag: "Event", event } as const
  if (project_hash === null || projectRoot === null) return [record]
  const project = {
    project_hash,
    root: projectRoot,
    name: projectFromRoot(projectRoot).name,
    first_seen: created_at,
    last_seen: created_at,
  }
  return [{ _tag: "Project", project }, record]
}

const commaSeparated = (path: string) =>
  Effect.sync(() => {
    let skipped: Array<Line> = []
    const parser = parse({
      bom: true,
      columns: true,
      info: true,
      cast: (text, { quoting }) => (text === "" && !quoting ? null : text),
      skip_records_with_error: true,
      on_skip: (error) => {
        skipped.push({ number: Number(error?.lines ?? 0), read: Either.left(error?.message ?? "it is no row") })
        return undefined
      },
    })
    interface Row {
      readonly record: Record<string, string | null>
      readonly info: { readonly lines: number }
    }
    const rows = Stream.fromAsyncIterable(
      // It throws what goes wrong in reading the file as well.
      pipeline(createReadStream(path), parser, () => {}) as AsyncIterable<Row>,
      cannotImport(path, "unavailable"),
    )
    const takeSkipped = Effect.sync(() => {
      const lines = skipped
      skipped = []
      return lines
    })
    return rows.pipe(
      Stream.map(({ record, info }): Line => ({ number: info.lines, read: Either.map(fromCsvRow(record), recordsOf) })),
      Stream.concat(Stream.fromIterableEffect(takeSkipped)),
    )
  })

const mergeProjects = (records: ReadonlyArray<TransferRecord>): Iterable<TransferredProject> => {
  const projects = new Map<string, TransferredProject>()
  for (const record of records) {
    if (record._tag !== "Project") continue
    const { project } = record
    const { first_seen, last_seen } = projects.get(project.project_hash) ?? project
    projects.set(project.project_hash, {
      ...project,
      first_seen: first_seen < project.first_seen ? first_seen : project.first_seen,
      last_seen: last_seen > project.last_seen ? last_seen : project.last_seen,
    })
  }
  return projects.values()
}

/**
 * Takes over what an export holds. Each event is stored once, however often it comes and from whichever of the stores that
 * know it. A line that cannot be read is logged and counted.
 */
export const importExport = Effect.fn("importExport")(function* (
  path: string,
  format: TransferFormat,
): Effect.fn.Return<ImportedExport, PersistenceError, FileSystem.FileSystem | StoreImport | DrainLedger> {
  const store = yield* StoreImport
  const { atomically } = yield* DrainLedger
  const started = yield* Clock.currentTimeMillis
  const seen = { lines: 0, events: 0, recorded: 0, broken: 0, tools: 0 }
  const projects = new Set<string>()
  const knownTools = new Set<string>()
  let end: TransferEnd | undefined

  const nameBroken = ({ number, read }: Line) => {
    seen.broken++
    return seen.broken <= MOST_NAMED
      ? Effect.logWarning(`${path}, line ${number}: ${Either.getOrElse(Either.flip(read), () => "")}; it is left out`)
      : Effect.void
  }

  const takeTools = (records: ReadonlyArray<TransferRecord>, events: ReadonlyArray<TransferredEvent>) =>
    Effect.gen(function* () {
      for (const record of records) {
        if (record._tag !== "Tool") continue
        seen.tools++
        knownTools.add(toolKey(record.tool))
        yield* store.takeTool(record.tool, record.baselines)
      }
      for (const event of events) {
        const tool = inferredTool(event)
        if (knownTools.has(toolKey(tool))) continue
        knownTools.add(toolKey(tool))
        yield* store.takeTool(tool, [])
      }
    })

  const take = (lines: ReadonlyArray<Line>) =>
    Effect.gen(function* () {
      seen.lines += lines.length
      const records = lines.flatMap(({ read }) => Either.getOrElse(read, () => []))
      yield* Effect.forEach(
        lines.filter(({ read }) => Either.isLeft(read)),
        nameBroken,
        { discard: true },
      )
      const events = records.flatMap((record) => (record._tag === "Event" ? [record.event] : []))
      seen.events += events.length
      for (const project of mergeProjects(records)) {
        projects.add(project.project_hash)
        yield* store.takeProject(project)
      }
      yield* store.nameUnnamed(events)
      const unknown = yield* store.findUnknown(events).pipe(Effect.flatMap(store.withoutTold))
      yield* takeTools(records, unknown)
      seen.recorded += yield* store.add(unknown)
      yield* store.rememberUnnamed(events)
      for (const record of records) if (record._tag === "End") end = record.end
    })

  const lines = yield* format === "jsonl" ? jsonLines(path) : commaSeparated(path)
  yield* lines.pipe(
    Stream.rechunk(BATCH_LINES),
    Stream.runForEachChunk((chunk) => atomically(take(Chunk.toReadonlyArray(chunk)))),
  )
  const whole = format === "csv" ? null : end !== undefined && end.events === seen.events
  if (seen.broken > MOST_NAMED) yield* Effect.logWarning(`${path}: ${seen.broken} lines in all are left out`)
  if (whole === false) yield* Effect.logWarning(`${path} is not whole: its export ended early, or lines are missing`)
  return {
    lines: seen.lines,
    calls_found: seen.events,
    recorded: seen.recorded,
    already_known: seen.events - seen.recorded,
    broken_lines: seen.broken,
    tools: seen.tools,
    projects: projects.size,
    whole,
    seconds: ((yield* Clock.currentTimeMillis) - started) / 1000,
  }
})
