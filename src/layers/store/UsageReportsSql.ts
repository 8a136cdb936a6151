import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { UsageReports } from "../../services/UsageReports.ts"
import { onDemand } from "./onDemand.ts"

/** `UsageReports` over an open database. */
export const makeUsageReports = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./reportQueries.ts").then((module) => module.makeReportQueries(sql)))

  return UsageReports.of({
    getReport: (...question) => Effect.flatMap(queries, (read) => read.getReport(...question)),
    getToolReport: (...question) => Effect.flatMap(queries, (read) => read.getToolReport(...question)),
    getSessionReport: (...question) => Effect.flatMap(queries, (read) => read.getSessionReport(...question)),
    getTrend: (...question) => Effect.flatMap(queries, (read) => read.getTrend(...question)),
    getObservedFrom: (...question) => Effect.flatMap(queries, (read) => read.getObservedFrom(...question)),
  })
})
