import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import { ToolUse } from "./ToolUse.ts"

/** A call that the store still owes: all of it, or only its place in the aggregate where its event is stored already. */
export const SpooledCall = Schema.Struct({ owed: Schema.Literal("call", "aggregate"), use: ToolUse })
export type SpooledCall = typeof SpooledCall.Type

/** One spooled call as the line that a spool file holds. */
export const SpoolLine = Schema.parseJson(SpooledCall)

/** What is in the spool under this name is no spooled call. */
export class UnreadableSpooledCall extends Data.TaggedError("UnreadableSpooledCall")<{ readonly name: string }> {
  override get message(): string {
    return `the spooled call ${this.name} cannot be read`
  }
}
