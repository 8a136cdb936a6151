import * as Schema from "effect/Schema"
import { ToolUse } from "./ToolUse.ts"

/** A call that the store still owes: all of it, or only its place in the aggregate where its event is stored already. */
export const SpooledCall = Schema.Struct({ owed: Schema.Literal("call", "aggregate"), use: ToolUse })
export type SpooledCall = typeof SpooledCall.Type

/** Reads the line that a spool file holds: a spooled call as JSON. */
export const decodeSpoolLine = Schema.decodeUnknownOption(Schema.parseJson(SpooledCall))
