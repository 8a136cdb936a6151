import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { Retention } from "../../services/Retention.ts"
import { onDemand } from "./onDemand.ts"

/** `Retention` over an open database. */
export const makeRetention = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./retentionQueries.ts").then((module) => module.makeRetentionQueries(sql)))

  return Retention.of({
    prunedBefore: (calls) => Effect.flatMap(queries, (retention) => retention.prunedBefore(calls)),
    forgottenBefore: Effect.flatMap(queries, (retention) => retention.forgottenBefore),
    countBefore: (day) => Effect.flatMap(queries, (retention) => retention.countBefore(day)),
    begin: (day) => Effect.flatMap(queries, (retention) => retention.begin(day)),
    pruneStep: (day, events) => Effect.flatMap(queries, (retention) => retention.pruneStep(day, events)),
    unusedSpace: Effect.flatMap(queries, (retention) => retention.unusedSpace),
    rewrite: Effect.flatMap(queries, (retention) => retention.rewrite),
    giveBackStep: (pages) => Effect.flatMap(queries, (retention) => retention.giveBackStep(pages)),
  })
})
