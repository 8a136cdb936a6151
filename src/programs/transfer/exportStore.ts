import { type Options, stringify } from "csv-stringify/sync"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { TransferRecord, TransferredEvent } from "../../domain/StoreTransfer.ts"
import { csvColumns, type TransferFormat, toJsonLine } from "../../domain/transferText.ts"
import { type ExportSelection, StoreExport } from "../../services/StoreExport.ts"

/** RFC 4180. An empty field is null, an empty text has quotes. */
const csvOptions: Options = {
  record_delimiter: "windows",
  cast: { string: (text) => (text === "" ? { value: text, quoted_empty: true } : text) },
}

const jsonLines = () => {
  let store = ""
  return (records: Chunk.Chunk<TransferRecord>): string => {
    let text = ""
    for (const record of records) {
      if (record._tag === "Header") store = record.header.store
      text += `${toJsonLine(record, store)}\n`
    }
    return text
  }
}

const commaSeparated = () => {
  const roots = new Map<string, string>()
  let columns: ReadonlyArray<string> | undefined
  const headFor = (event: TransferredEvent | undefined) => {
    const further = Object.keys(event ?? {}).filter((column) => !csvColumns.some((known) => known === column))
    columns = [...csvColumns, ...further]
    return [columns]
  }
  return (records: Chunk.Chunk<TransferRecord>): string => {
    const rows: Array<ReadonlyArray<unknown>> = []
    for (const record of records) {
      if (record._tag === "Project") roots.set(record.project.project_hash, record.project.root)
      if (record._tag === "Event") {
        const { event } = record
        if (columns === undefined) rows.push(...headFor(event))
        const root = event.project_hash === null ? null : (roots.get(event.project_hash) ?? null)
        rows.push((columns ?? []).map((column) => (column === "project_root" ? root : event[column])))
      }
      if (record._tag === "End" && columns === undefined) rows.push(...headFor(undefined))
    }
    return stringify(rows as Array<Array<unknown>>, csvOptions)
  }
}

/** Writes what the store holds as text, piece by piece. Returns how many events it wrote. */
export const exportStore = <E, R>(
  format: TransferFormat,
  selection: ExportSelection,
  write: (text: string) => Effect.Effect<void, E, R>,
): Effect.Effect<number, PersistenceError | E, StoreExport | R> =>
  Effect.gen(function* () {
    const { read } = yield* StoreExport
    const toText = format === "jsonl" ? jsonLines() : commaSeparated()
    let events = 0
    yield* Stream.runForEachChunk(read(selection), (records) => {
      events += Chunk.reduce(records, 0, (sum, { _tag }) => (_tag === "Event" ? sum + 1 : sum))
      const text = toText(records)
      return text === "" ? Effect.void : write(text)
    })
    return events
  })
