import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { UsageRollups } from "../../services/StoreUpkeep.ts"
import { onDemand } from "./onDemand.ts"

/** `UsageRollups` over an open database. */
export const makeUsageRollups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./StoreUpkeepSql.ts").then((module) => module.makeRollupQueries(sql)))

  return UsageRollups.of({
    fillStep: (events) => Effect.flatMap(queries, (rollups) => rollups.fillStep(events)),
    countUnfilled: Effect.flatMap(queries, (rollups) => rollups.countUnfilled),
    findDrift: Effect.flatMap(queries, (rollups) => rollups.findDrift),
    reset: Effect.flatMap(queries, (rollups) => rollups.reset),
  })
})
