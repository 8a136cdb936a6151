import * as Schema from "effect/Schema"
import { LONGEST_DURATION_MILLIS } from "./agents/payload.ts"
import { fromEpochMillis, type Timestamp, toEpochMillis } from "./Timestamp.ts"

// What an export of a store is made of, in this order: its header, projects, tools, events and end. Columns are named as in
// the store; those that later programs add travel along.

/** The version of the format that this program writes, and the newest that it reads. */
export const TRANSFER_VERSION = 1

/** The 30th of February has the form as well, and is no time that the store would write. */
const isStoredTime = (text: string): text is Timestamp =>
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) && fromEpochMillis(toEpochMillis(text as Timestamp)) === text

/** A stored time that a file claims. */
const StoredTime = Schema.String.pipe(
  Schema.filter(isStoredTime, { message: () => "is no time like 2026-11-26 13:45:00" }),
)

/** Whole milliseconds, as the hook takes them: sums of others would depend on the order in which they are added. */
const Duration = Schema.transform(Schema.Number.pipe(Schema.between(0, LONGEST_DURATION_MILLIS)), Schema.Int, {
  strict: true,
  decode: Math.round,
  encode: (millis) => millis,
})

const Column = Schema.Union(Schema.String, Schema.Number, Schema.Null)
const FurtherColumns = Schema.Record({ key: Schema.String, value: Column })

const Count = Schema.Int.pipe(Schema.nonNegative())
const OptionalText = Schema.NullOr(Schema.String)

export const TransferHeader = Schema.Struct({
  tooltrail: Schema.Literal("events"),
  version: Schema.Int,
  /** The identity of the store that wrote it. */
  store: Schema.NonEmptyString,
  exported_at: StoredTime,
  /** The events before are left out, and baselines with them; null where nothing is. */
  since: Schema.NullOr(StoredTime),
})
export type TransferHeader = typeof TransferHeader.Type

export const TransferredProject = Schema.Struct({
  project_hash: Schema.NonEmptyString,
  root: Schema.String,
  name: Schema.String,
  first_seen: StoredTime,
  last_seen: StoredTime,
})
export type TransferredProject = typeof TransferredProject.Type

/** The uses without an event that a row of the registry counts, of one origin. */
export const BaselineShare = Schema.Struct({
  origin: Schema.NonEmptyString,
  count: Count,
  last_used_at: Schema.NullOr(StoredTime),
  /** What the origin's own row counted in all, where that has to be remembered. */
  counted: Schema.NullOr(Count),
})
export type BaselineShare = typeof BaselineShare.Type

/** A row of the registry but for its counts, which are those of its events and its baselines. */
export const TransferredTool = Schema.Struct(
  {
    name: Schema.NonEmptyString,
    tool_type: Schema.String,
    scope: Schema.String,
    source: Schema.String,
    project_hash: OptionalText,
    description: OptionalText,
    server_name: OptionalText,
    discovered_at: StoredTime,
    updated_at: StoredTime,
  },
  FurtherColumns,
)
export type TransferredTool = typeof TransferredTool.Type

/** One event. `origin` and `id` name it in all stores: the store it was first written in, and its id there. */
export const TransferredEvent = Schema.Struct(
  {
    origin: Schema.NonEmptyString,
    id: Schema.Int,
    tool_name: Schema.NonEmptyString,
    session_id: OptionalText,
    project_hash: OptionalText,
    success: Schema.Literal(0, 1),
    created_at: StoredTime,
    agent: OptionalText,
    tool_use_id: OptionalText,
    duration_ms: Schema.NullOr(Duration),
    subagent: OptionalText,
    target: OptionalText,
    server_name: OptionalText,
    failure_kind: OptionalText,
    source: OptionalText,
    /** It has a tool-use id by now, and other stores may know it without one, by its origin and id. */
    was_unnamed: Schema.optional(Schema.Union(Schema.Literal(1), Schema.Null)),
  },
  FurtherColumns,
)
export type TransferredEvent = typeof TransferredEvent.Type

/** What a whole export ends with: how many of each came before. */
export const TransferEnd = Schema.Struct({ projects: Count, tools: Count, events: Count })
export type TransferEnd = typeof TransferEnd.Type

export type TransferRecord =
  | { readonly _tag: "Header"; readonly header: TransferHeader }
  | { readonly _tag: "Project"; readonly project: TransferredProject }
  | { readonly _tag: "Tool"; readonly tool: TransferredTool; readonly baselines: ReadonlyArray<BaselineShare> }
  | { readonly _tag: "Event"; readonly event: TransferredEvent }
  | { readonly _tag: "End"; readonly end: TransferEnd }

/** What the registry calls a tool and its project. */
export const toolKey = ({
  name,
  project_hash,
}: {
  readonly name: string
  readonly project_hash: string | null
}): string => JSON.stringify([name, project_hash])
