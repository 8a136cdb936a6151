import { type Options, stringify } from "csv-stringify/sync"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { eventColumns } from "../../domain/eventColumns.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { type TransferRecord, toEventRow } from "../../domain/StoreTransfer.ts"
import { type ExportSelection, StoreTransfer } from "../../services/StoreTransfer.ts"
import { LeftOut } from "./importExport.ts"

export type ExportFormat = "jsonl" | "csv"

const toJsonLine = (record: TransferRecord): string => {
  if ("header" in record) return `${JSON.stringify(record.header)}\n`
  return `${JSON.stringify("use" in record ? { event: toEventRow(record.use) } : record)}\n`
}

/** RFC 4180, with an apostrophe before what a spreadsheet would run. */
const csvOptions: Options = { record_delimiter: "windows", escape_formulas: true }

const makeToCsv = () => {
  const roots = new Map<string | null, string>()
  return (record: TransferRecord): string => {
    if ("header" in record) return stringify([[...eventColumns, "project_root"]], csvOptions)
    if ("project" in record) roots.set(record.project.project_hash, record.project.root)
    if (!("use" in record)) return ""
    return stringify([[...Object.values(toEventRow(record.use)), roots.get(record.use.projectHash)]], csvOptions)
  }
}

/** Writes what the store holds as text, piece by piece. Returns how many calls it wrote. */
export const exportStore = <E, R>(
  format: ExportFormat,
  selection: ExportSelection,
  write: (text: string) => Effect.Effect<void, E, R>,
): Effect.Effect<number, PersistenceError | E, StoreTransfer | R> =>
  Effect.gen(function* () {
    const { readAll } = yield* StoreTransfer
    const leftOut = new LeftOut("the store", "rows")
    const toText = format === "csv" ? makeToCsv() : toJsonLine
    let calls = 0
    yield* readAll(selection, (records) =>
      Effect.gen(function* () {
        yield* Effect.forEach(Arr.getLefts(records), (problem) => leftOut.add(problem), { discard: true })
        const readable = Arr.getRights(records)
        calls += Arr.countBy(readable, (record) => "use" in record)
        const text = readable.map(toText).join("")
        if (text !== "") yield* write(text)
      }),
    )
    yield* leftOut.sayCount
    return calls
  })
