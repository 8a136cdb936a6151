import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DetailPruned } from "../../domain/DetailPruned.ts"
import { CallSelection, ofSession, selected } from "./callSelection.ts"
import { failingTo } from "./failingTo.ts"

/** The day before which an older program pruned calls, of which it kept no ids, `YYYY-MM-DD`. */
export const readForgottenBefore = (sql: SqlClient.SqlClient) => {
  const state = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ day: Schema.NullOr(Schema.String) }),
    execute: () => sql`SELECT forgotten_before AS day FROM rollup_state`,
  })
  return Effect.map(state(undefined), ({ day }) => Option.fromNullable(day)).pipe(failingTo("read what is pruned"))
}

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

/** The day before which calls are pruned, where there are pruned ones on the days of a selection. Of a session that is not known. */
export const readPrunedOf = (sql: SqlClient.SqlClient) => {
  const find = SqlSchema.findOne({
    Request: Schema.typeSchema(CallSelection.omit("session")),
    Result: Schema.Struct({ before: Schema.String }),
    execute: ({ project, tool, from }) => sql`
      SELECT pruned_before AS before FROM rollup_state
      WHERE pruned_before > ${from ?? ""} AND EXISTS (
        SELECT 1 FROM usage_series series
        CROSS JOIN usage_by_day ON series_id = series.id AND day >= ${from?.slice(0, 10) ?? ""} AND day < pruned_before
        WHERE ${selected(sql, { project, tool })})`,
  })
  return (selection: Omit<CallSelection, "session">) =>
    Effect.map(
      find(selection),
      Option.map(({ before }) => before),
    ).pipe(failingTo("read what is pruned"))
}

/** Fails where a selection needs single calls that are pruned. */
export const needsDetailOf = (sql: SqlClient.SqlClient) => {
  const prunedOf = readPrunedOf(sql)
  return (selection: Omit<CallSelection, "session">) =>
    Effect.flatMap(
      prunedOf(selection),
      Option.match({ onNone: () => Effect.void, onSome: (before) => Effect.fail(new DetailPruned({ before })) }),
    )
}
