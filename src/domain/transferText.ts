import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { isObject } from "./agents/payload.ts"
import {
  BaselineShare,
  TransferEnd,
  TransferHeader,
  type TransferRecord,
  TransferredEvent,
  TransferredProject,
  TransferredTool,
} from "./StoreTransfer.ts"

export type TransferFormat = "jsonl" | "csv"

/** One record as a line of JSON. An event names its origin only where that is another store than the header's. */
export const toJsonLine = (record: TransferRecord, store: string): string => {
  switch (record._tag) {
    case "Header":
      return JSON.stringify(record.header)
    case "Project":
      return JSON.stringify({ project: record.project })
    case "Tool":
      return JSON.stringify({ tool: record.tool, baselines: record.baselines })
    case "Event":
      return JSON.stringify({
        event: record.event.origin === store ? { ...record.event, origin: undefined } : record.event,
      })
    case "End":
      return JSON.stringify({ end: record.end })
  }
}

const firstProblem = (error: ParseResult.ParseError): string => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return issue === undefined ? "it is of another shape" : `${issue.path.join(".") || "it"}: ${issue.message}`
}

/** Reads values of a shape; says of others what is wrong first. */
export const decoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (value: unknown): Either.Either<A, string> => Either.mapLeft(decode(value), firstProblem)
}

const decodeProject = decoder(TransferredProject)
const decodeTool = decoder(TransferredTool)
const decodeBaselines = decoder(Schema.Array(BaselineShare))
const decodeEvent = decoder(TransferredEvent)
const decodeEnd = decoder(TransferEnd)
const decodeHeader = Schema.decodeUnknownOption(Schema.parseJson(TransferHeader))

const parse = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** The header that an export as lines of JSON begins with. */
export const readHeader = (line: string): Option.Option<TransferHeader> => decodeHeader(line)

/** Reads a line after the header; what is wrong with it where it is none. */
export const fromJsonLine = (line: string, store: string): Either.Either<TransferRecord, string> => {
  const value = parse(line)
  if (!isObject(value)) return Either.left("it is no JSON object")
  if ("event" in value) {
    const event = isObject(value.event) ? { origin: store, ...value.event } : value.event
    return Either.map(decodeEvent(event), (event) => ({ _tag: "Event", event }))
  }
  if ("project" in value) {
    return Either.map(decodeProject(value.project), (project) => ({ _tag: "Project", project }))
  }
  if ("tool" in value) {
    return Either.flatMap(decodeTool(value.tool), (tool) =>
      Either.map(decodeBaselines(value.baselines), (baselines) => ({ _tag: "Tool", tool, baselines })),
    )
  }
  if ("end" in value) return Either.map(decodeEnd(value.end), (end) => ({ _tag: "End", end }))
  return Either.left("it is of no known kind")
}

/** The columns of an export as comma-separated values. Columns that later programs add come after them. */
export const csvColumns = [
  "origin",
  "id",
  "tool_name",
  "session_id",
  "project_hash",
  "project_root",
  "success",
  "created_at",
  "agent",
  "tool_use_id",
  "duration_ms",
  "subagent",
  "target",
  "server_name",
  "failure_kind",
  "source",
] as const

/** Whether a file that begins with this line is an export, and how it is written. */
export const recogniseFormat = (firstLine: string): Option.Option<TransferFormat> => {
  const line = firstLine.replace(/^\ufeff/, "").trimEnd()
  const columns = csvColumns.join(",")
  if (line === columns || line.startsWith(`${columns},`)) return Option.some("csv")
  const value = line.startsWith("{") ? parse(line) : undefined
  return isObject(value) && value.tooltrail === "events" ? Option.some("jsonl") : Option.none()
}

export interface CsvRow {
  readonly event: TransferredEvent
  /** The folder of the event's project, where it is known. */
  readonly projectRoot: string | null
}

const numeric = (text: unknown) => (typeof text === "string" && text !== "" ? Number(text) : text)

/** Reads one row of comma-separated values, by column; null stands for an empty field without quotes. */
export const fromCsvRow = (row: Readonly<Record<string, string | null>>): Either.Either<CsvRow, string> => {
  const { project_root: projectRoot = null, id, success, duration_ms, was_unnamed, ...columns } = row
  const event = {
    ...columns,
    id: numeric(id),
    success: numeric(success),
    duration_ms: numeric(duration_ms),
    was_unnamed: numeric(was_unnamed),
  }
  return Either.map(decodeEvent(event), (event) => ({ event, projectRoot }))
}
