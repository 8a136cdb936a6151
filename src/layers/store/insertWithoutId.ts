import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { makeClaimCall } from "./claimCall.ts"
import { withImmediateTransaction } from "./immediateTransaction.ts"

/** Inserts a call without an id, unless it is there already: two hooks may tell of it within milliseconds. */
export const makeInsertWithoutId = <Row>(
  sql: SqlClient.SqlClient,
  insertEvent: (use: ToolUse) => Effect.Effect<ReadonlyArray<Row>, SqlError>,
): ((use: ToolUse) => Effect.Effect<ReadonlyArray<Row>, SqlError>) => {
  const claimCall = makeClaimCall(sql)
  const inTransaction = withImmediateTransaction(sql)
  return (use) =>
    inTransaction(
      Effect.flatMap(claimCall(use), (claimed) => (claimed === undefined ? insertEvent(use) : Effect.succeed([]))),
    )
}
