import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { pairByTime } from "../../domain/pairByTime.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { MOST_APART_MILLIS } from "./claimCall.ts"
import { failingTo } from "./failingTo.ts"
import { makeNameEvent } from "./nameEvent.ts"

const HookCall = Schema.Struct({
  id: Schema.Number,
  agent: Schema.String,
  session_id: Schema.String,
  tool_name: Schema.String,
  success: Schema.Literal(0, 1),
  created_at: TimestampText,
})

/** Which events a transcript may give their id. */
export const isHookCallWithoutId = (sql: SqlClient.SqlClient) =>
  sql`tool_use_id IS NULL AND source IN ('hook', 'plugin', 'hook+plugin') AND agent IS NOT NULL AND session_id IS NOT NULL`

const nameOf = (agent: string, toolUseId: string | null) => JSON.stringify([agent, toolUseId])

interface MatchedCall {
  readonly eventId: number
  readonly toolUseId: string
}

/** Finds which events of hook calls without an id, pruned or not, are those of calls that transcripts show. */
const makeMatchHookCalls = (
  sql: SqlClient.SqlClient,
): ((uses: ReadonlyArray<ToolUse>) => Effect.Effect<ReadonlyArray<MatchedCall>, SqlError | ParseError>) => {
  const withoutId = SqlSchema.findAll({
    Request: Schema.String,
    Result: HookCall,
    execute: (sessions) => sql`
      SELECT id, agent, session_id, tool_name, success, created_at FROM tool_usage_events
      WHERE session_id IN (SELECT value FROM json_each(${sessions})) AND ${isHookCallWithoutId(sql)}
      UNION ALL
      SELECT event_id, agent, session_id, tool_name, success, created_at FROM pruned_hook_calls
      WHERE session_id IN (SELECT value FROM json_each(${sessions}))
      ORDER BY created_at, id`,
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

  return Effect.fnUntraced(function* (uses) {
    const hooked = yield* withoutId(JSON.stringify([...new Set(uses.map(({ sessionId }) => sessionId))]))
    if (hooked.length === 0) return []
    const ids = yield* known(JSON.stringify(uses.map(({ agent, toolUseId }) => [agent, toolUseId])))
    const knownIds = new Set(ids.map(({ agent, tool_use_id }) => nameOf(agent, tool_use_id)))
    const told = hooked.map(({ agent, session_id, tool_name, success, created_at, id }) => ({
      kind: JSON.stringify([agent, session_id, tool_name]),
      closerKind: success,
      millis: Timestamp.toEpochMillis(created_at),
      id,
    }))
    const shown = uses.flatMap(({ agent, sessionId, toolName, success, usedAt, toolUseId }) =>
      toolUseId === null || knownIds.has(nameOf(agent, toolUseId))
        ? []
        : [
            {
              kind: JSON.stringify([agent, sessionId, toolName]),
              closerKind: success ? 1 : 0,
              millis: Timestamp.toEpochMillis(usedAt),
              toolUseId,
            },
          ],
    )
    return pairByTime(told, shown, MOST_APART_MILLIS).map(([{ id }, { toolUseId }]) => ({ eventId: id, toolUseId }))
  })
}

/** What `UsageEvents` does for calls that the hook told of without a tool-use id. */
export const makeHookCallsWithoutId = (sql: SqlClient.SqlClient) => {
  const match = makeMatchHookCalls(sql)
  const nameEvent = makeNameEvent(sql)
  return {
    identify: (uses: ReadonlyArray<ToolUse>) =>
      match(uses).pipe(
        Effect.flatMap((calls) =>
          Effect.forEach(calls, ({ eventId, toolUseId }) => nameEvent(eventId, toolUseId), { discard: true }),
        ),
        failingTo("identify the hook's calls"),
      ),

    getTold: (uses: ReadonlyArray<ToolUse>) =>
      match(uses).pipe(
        Effect.map((calls) => new Set(calls.map(({ toolUseId }) => toolUseId))),
        failingTo("look for calls without an id"),
      ),
  }
}
