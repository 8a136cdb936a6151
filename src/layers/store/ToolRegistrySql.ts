import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { now } from "../../domain/Timestamp.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { makeCountUses } from "./countUses.ts"
import { failingTo } from "./failingTo.ts"
import { onDemand } from "./onDemand.ts"

/** `ToolRegistry` over an open database. */
export const makeToolRegistry = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queries = onDemand(() => import("./registryReads.ts").then((module) => module.makeRegistryQueries(sql)))

  const countUses = makeCountUses(sql)

  return ToolRegistry.of({
    recordOrCreate: (tool, usedAt, { hasEvent } = { hasEvent: true }) =>
      Effect.flatMap(now, (writtenAt) =>
        countUses([{ tool, count: 1, firstUsedAt: usedAt, lastUsedAt: usedAt, writtenAt, hasEvent }]),
      ).pipe(failingTo(`count a use of ${tool.name}`)),

    recordAll: Effect.fn("ToolRegistry.recordAll")(function* (uses) {
      const writtenAt = yield* now
      // A spread of each takes ten times as long.
      yield* countUses(
        uses.map(({ tool, count, firstUsedAt, lastUsedAt }) => ({
          tool,
          count,
          firstUsedAt,
          lastUsedAt,
          writtenAt,
          hasEvent: true,
        })),
      )
    }, failingTo("count the uses of tools")),

    getAvailableForSession: (project) => Effect.flatMap(queries, (read) => read.getAvailableForSession(project)),
    findDrift: Effect.flatMap(queries, (read) => read.findDrift),
    rebuild: Effect.flatMap(queries, (read) => read.rebuild),
  })
})
