import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DetailPruned } from "../domain/DetailPruned.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
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
