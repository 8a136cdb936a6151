import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Timestamp from "../domain/Timestamp.ts"
import { TimestampText } from "../domain/TimestampText.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import { failingTo } from "./failingTo.ts"
import { makeNameEvent } from "./nameEvent.ts"

/** So far apart the hook and a transcript may tell the time of one call. */
const MOST_APART_MILLIS = 5000

const HookCall = Schema.Struct({
  id: Schema.Number,
  agent: Schema.String,
  session_id: Schema.String,
  tool_name: Schema.String,
  created_at: TimestampText,
})

interface Shown {
  readonly toolUseId: string
  readonly millis: number
}

const kindOf = (agent: string, session: string | null, tool: string) => JSON.stringify([agent, session, tool])

/** The calls of transcripts by agent, session and tool, but for those that are known. */
const byKind = (uses: ReadonlyArray<ToolUse>, isKnown: (use: ToolUse) => boolean) => {
  const shown = new Map<string, Array<Shown>>()
  for (const use of uses) {
    if (use.toolUseId === null || isKnown(use)) continue
    const kind = kindOf(use.agent, use.sessionId, use.toolName)
    const call = { toolUseId: use.toolUseId, millis: Timestamp.toEpochMillis(use.usedAt) }
    const calls = shown.get(kind)
    if (calls === undefined) shown.set(kind, [call])
    else calls.push(call)
  }
  return shown
}

/** Takes out of the calls the one that is closest to a time, and close enough. */
const takeClosest = (calls: Array<Shown>, millis: number): Shown | undefined => {
  const apart = (call: Shown) => Math.abs(call.millis - millis)
  let closest = -1
  for (const [place, call] of calls.entries()) {
    if (apart(call) <= MOST_APART_MILLIS && (closest < 0 || apart(call) < apart(calls[closest] as Shown)))
      closest = place
  }
  return closest < 0 ? undefined : calls.splice(closest, 1)[0]
}

/** Which events a transcript may give their id. */
export const isHookCallWithoutId = (sql: SqlClient.SqlClient) =>
  sql`tool_use_id IS NULL AND source = 'hook' AND agent IS NOT NULL AND session_id IS NOT NULL`

/** What `UsageEvents.identifyHookCalls` does. Of the same session and tool, the call that is closest in time is taken for the event's. */
export const makeIdentifyHookCalls = (sql: SqlClient.SqlClient) => {
  const withoutId = SqlSchema.findAll({
    Request: Schema.String,
    Result: HookCall,
    execute: (sessions) => sql`
      SELECT id, agent, session_id, tool_name, created_at FROM tool_usage_events
      WHERE session_id IN (SELECT value FROM json_each(${sessions})) AND ${isHookCallWithoutId(sql)}
      UNION ALL
      SELECT event_id, agent, session_id, tool_name, created_at FROM pruned_hook_calls
      WHERE session_id IN (SELECT value FROM json_each(${sessions}))
      ORDER BY id`,
  })

  const known = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ agent: Schema.String, tool_use_id: Schema.String }),
    execute: (uses) => sql`
      SELECT e.agent, e.tool_use_id FROM json_each(${uses}) use
      CROSS JOIN tool_usage_events e ON e.agent = use.value ->> 0 AND e.tool_use_id = use.value ->> 1
      UNION ALL
      SELECT p.agent, p.tool_use_id FROM json_each(${uses}) use
      CROSS JOIN pruned_calls p ON p.tool_use_id = use.value ->> 1 AND p.agent = use.value ->> 0`,
  })

  const nameEvent = makeNameEvent(sql)

  return Effect.fnUntraced(function* (uses: ReadonlyArray<ToolUse>) {
    const hooked = yield* withoutId(JSON.stringify([...new Set(uses.map(({ sessionId }) => sessionId))]))
    if (hooked.length === 0) return
    const ids = yield* known(JSON.stringify(uses.map(({ agent, toolUseId }) => [agent, toolUseId])))
    const knownIds = new Set(ids.map(({ agent, tool_use_id }) => JSON.stringify([agent, tool_use_id])))
    const calls = byKind(uses, ({ agent, toolUseId }) => knownIds.has(JSON.stringify([agent, toolUseId])))
    for (const { id, agent, session_id, tool_name, created_at } of hooked) {
      const ofKind = calls.get(kindOf(agent, session_id, tool_name)) ?? []
      const call = takeClosest(ofKind, Timestamp.toEpochMillis(created_at))
      if (call !== undefined) yield* nameEvent(id, call.toolUseId)
    }
  }, failingTo("identify the hook's calls"))
}
