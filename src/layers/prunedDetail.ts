import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DetailPruned } from "../domain/DetailPruned.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import { ofSession } from "./callSelection.ts"
import { failingTo } from "./failingTo.ts"

/** The day before which events are pruned, `YYYY-MM-DD`. */
export const readPrunedBefore = (sql: SqlClient.SqlClient) => {
  const state = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ pruned_before: Schema.NullOr(Schema.String) }),
    execute: () => sql`SELECT pruned_before FROM rollup_state`,
  })
  return Effect.map(state(undefined), ({ pruned_before }) => Option.fromNullable(pruned_before)).pipe(
    failingTo("read what is pruned"),
  )
}

/** Stands among the pruned sessions for calls without one. */
export const NO_SESSION = ""

/**
 * The day before which calls of a session are pruned; none where all of them are there. Of calls that an older program pruned
 * nobody knows the sessions: a session that has none may have been one of those.
 */
export const readSessionPruned = (sql: SqlClient.SqlClient) => {
  const find = SqlSchema.findOne({
    Request: Schema.NullOr(Schema.String),
    Result: Schema.Struct({ pruned_before: Schema.String }),
    execute: (session) => sql`
      SELECT pruned_before FROM rollup_state
      WHERE EXISTS (SELECT 1 FROM pruned_sessions WHERE session_id = ${session ?? NO_SESSION})
        OR forgotten_before IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tool_usage_events WHERE ${ofSession(sql, session)})`,
  })
  return (session: string | null) =>
    find(session).pipe(
      Effect.map(Option.map(({ pruned_before }) => pruned_before)),
      failingTo("read what is pruned of a session"),
    )
}

/** Fails where a window that begins at `since` needs single calls that are pruned. */
export const needsDetailSince = (sql: SqlClient.SqlClient) => {
  const prunedBefore = readPrunedBefore(sql)
  return (since: Timestamp) =>
    Effect.flatMap(prunedBefore, (before) =>
      Option.isSome(before) && since < before.value
        ? Effect.fail(new DetailPruned({ before: before.value }))
        : Effect.void,
    )
}
