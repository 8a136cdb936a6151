import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { pairByTime } from "../domain/pairByTime.ts"
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
  success: Schema.Literal(0, 1),
  created_at: TimestampText,
})

/** Which events a transcript may give their id. */
export const isHookCallWithoutId = (sql: SqlClient.SqlClient) =>
  sql`tool_use_id IS NULL AND source = 'hook' AND agent IS NOT NULL AND session_id IS NOT NULL`

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

/** What a hook call without an id is looked for by. */
interface ToldCall {
  readonly agent: string
  readonly sessionId: string
  readonly toolName: string
  readonly success: boolean
  readonly at: Timestamp.Timestamp
}

/**
 * A transcript may have been read before the hook's call is stored: the call is there then by its id. Takes the closest such
 * call that no hook told of yet for the hook's, and returns its event's id.
 */
export const makeClaimShownCall =
  (sql: SqlClient.SqlClient) =>
  ({ agent, sessionId, toolName, success, at }: ToldCall): Effect.Effect<number | undefined, SqlError> => {
    const millis = Timestamp.toEpochMillis(at)
    const [from, until] = [millis - MOST_APART_MILLIS, millis + MOST_APART_MILLIS].map(Timestamp.fromEpochMillis)
    return Effect.map(
      sql`
        UPDATE tool_usage_events SET source = 'hook' WHERE id = (
          SELECT id FROM tool_usage_events
          WHERE session_id = ${sessionId} AND tool_name = ${toolName} AND agent = ${agent} AND source = 'transcript'
            AND tool_use_id IS NOT NULL AND created_at BETWEEN ${from} AND ${until}
          ORDER BY success <> ${success ? 1 : 0}, abs(unixepoch(created_at) - unixepoch(${at})), id LIMIT 1)
        RETURNING id`,
      ([row]) => (row === undefined ? undefined : Number(row.id)),
    )
  }

/** What `UsageEvents` does for calls of which the hook is told no tool-use id. */
export const makeHookCallsWithoutId = (sql: SqlClient.SqlClient) => {
  const match = makeMatchHookCalls(sql)
  const nameEvent = makeNameEvent(sql)
  const claimShown = makeClaimShownCall(sql)
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

    /** Whether the call is there already by its id, as a transcript shows it; it counts as one of the hook's from then on. */
    claim: ({ toolUseId, source, sessionId, usedAt: at, ...call }: ToolUse) =>
      toolUseId !== null || source !== "hook" || sessionId === null
        ? Effect.succeed(false)
        : Effect.map(claimShown({ ...call, sessionId, at }), (eventId) => eventId !== undefined),
  }
}
