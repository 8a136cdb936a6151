import * as Schema from "effect/Schema"
import { ToolUse } from "./ToolUse.ts"

/** A call that the store still owes: all of it, or only its place in the aggregate where its event is stored already. */
export const SpooledCall = Schema.Struct({ owed: Schema.Literal("call", "aggregate"), use: ToolUse })
export type SpooledCall = typeof SpooledCall.Type

/** Almost all are spooled as they are, and to see that takes half as long as to look for what is to be filled in. */
const Whole = Schema.typeSchema(SpooledCall)

/** Reads the line that a spool file holds: a spooled call as JSON. */
export const decodeSpoolLine = Schema.decodeUnknownOption(Schema.parseJson(Schema.Union(Whole, SpooledCall)))
