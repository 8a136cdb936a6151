import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DetailPruned } from "../domain/DetailPruned.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import { ofSession } from "./callSelection.ts"
import { failingTo } from "./failingTo.ts"

const readDay = (sql: SqlClient.SqlClient, column: "pruned_before" | "forgotten_before") => {
  const state = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ day: Schema.NullOr(Schema.String) }),
    execute: () => sql`SELECT ${sql(column)} AS day FROM rollup_state`,
  })
  return Effect.map(state(undefined), ({ day }) => Option.fromNullable(day)).pipe(failingTo("read what is pruned"))
}

/** The day before which events are pruned, `YYYY-MM-DD`. */
export const readPrunedBefore = (sql: SqlClient.SqlClient) => readDay(sql, "pruned_before")

/** The day before which they were pruned by an older program, which kept no ids. */
export const readForgottenBefore = (sql: SqlClient.SqlClient) => readDay(sql, "forgotten_before")

/** Stands among the pruned sessions for calls without one. */
export const NO_SESSION = ""

/**
 * What is pruned of a session, and before which day; none where all of its calls are there. Of calls that an older program
 * pruned nobody knows the sessions: a session that has none may have been one of those.
 */
export const readSessionPruned = (sql: SqlClient.SqlClient) => {
  const find = SqlSchema.findOne({
    Request: Schema.NullOr(Schema.String),
    Result: Schema.Struct({ before: Schema.String, is_certain: Schema.Literal(0, 1) }),
    execute: (session) => sql`
      SELECT pruned_before AS before, is_certain
      FROM rollup_state CROSS JOIN (
        SELECT EXISTS (SELECT 1 FROM pruned_sessions WHERE session_id = ${session ?? NO_SESSION}) AS is_certain)
      WHERE is_certain OR forgotten_before IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tool_usage_events WHERE ${ofSession(sql, session)})`,
  })
  return (session: string | null) =>
    find(session).pipe(
      Effect.map(
        Option.map(
          ({ before, is_certain }) =>
            new DetailPruned({ before, session: { id: session, isCertain: is_certain === 1 } }),
        ),
      ),
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
