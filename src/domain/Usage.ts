import * as Schema from "effect/Schema"
import { TimestampText } from "./TimestampText.ts"

const counts = {
  usage_count: Schema.Number,
  /** Calls that failed by themselves; a user's interrupt is none. */
  failures: Schema.Number,
  last_used: TimestampText,
}

/** How a tool was used in the span that was asked for. */
export const ToolUsageStats = Schema.Struct({ tool_name: Schema.String, ...counts })
export type ToolUsageStats = typeof ToolUsageStats.Type

/** An agent's activity: the calls since an instant, and the last of all. */
export const AgentActivity = Schema.Struct({ calls: Schema.Number, last_call: Schema.NullOr(TimestampText) })
export type AgentActivity = typeof AgentActivity.Type

/**
 * What a report can sum calls by. A call that has no value there (no target, no server) is in no row. `type` is the kind of tool,
 * `project` the project's hash, `day` a day of UTC.
 */
export const ReportDimension = Schema.Literal("tool", "target", "server", "type", "agent", "project", "subagent", "day")
export type ReportDimension = typeof ReportDimension.Type

/** A sum that is not what its events add up to. */
export const SumDrift = Schema.Struct({
  /** A day, `YYYY-MM-DD`, or an hour, `YYYY-MM-DD HH`, of UTC, or a session's id. */
  period: Schema.String,
  /** Null in a sum over all tools. */
  tool_name: Schema.NullOr(Schema.String),
  /** Null if there is no sum. */
  uses: Schema.NullOr(Schema.Number),
  expected_uses: Schema.Number,
})
export type SumDrift = typeof SumDrift.Type
