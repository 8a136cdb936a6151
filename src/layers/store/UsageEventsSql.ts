import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { eventColumns, eventValue } from "../../domain/eventColumns.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { failingTo } from "./failingTo.ts"
import { onDemand } from "./onDemand.ts"

/** How many events wait to be folded into the sums together: to fold each by itself would double its writes. */
const FOLD_EVERY = 128

export const makeUsageEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // What only few calls need is kept out of the hook's start-up.
  const reads = onDemand(() => import("./usageReads.ts").then((module) => module.makeUsageReads(sql)))
  const writes = onDemand(() => import("./eventBatches.ts").then((module) => module.makeEventBatches(sql)))
  const sums = onDemand(() => import("./sums.ts"))

  const insertStatement = `
    INSERT INTO tool_usage_events (${eventColumns.join(", ")})
    SELECT ${eventColumns.map(() => "?").join(", ")}
    FROM usage_state WHERE pruned_before IS NULL OR ? >= pruned_before
    ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING
    RETURNING id`

  const insertEvent = (use: ToolUse) =>
    sql.unsafe<{ readonly id: number }>(insertStatement, [
      ...eventColumns.map((column) => eventValue(use, column)),
      use.usedAt,
    ])

  /** A writer waits for its turn to fold. If it does not get it, a later event's writer folds. */
  const foldSums = Effect.flatMap(sums, ({ foldSums }) => foldSums(sql)).pipe(
    Effect.catchTag("SqlError", (error) => Effect.logDebug(`the sums are not brought up to date: ${error.message}`)),
  )

  return UsageEvents.of({
    // This runs after every call, so it has no span of an `Effect.fn`. The statement has one.
    insert: (use) =>
      Effect.flatMap(insertEvent(use), ([inserted]) => {
        if (inserted === undefined) return Effect.succeed("known" as const)
        const isTurn = inserted.id % FOLD_EVERY === 0
        return isTurn ? Effect.as(foldSums, "inserted" as const) : Effect.succeed("inserted" as const)
      }).pipe(failingTo(`insert the event of a ${use.toolName} call`)),

    insertAll: (uses) => Effect.flatMap(writes, (write) => write.insertAll(uses)),
    removeProvisional: (...calls) => Effect.flatMap(writes, (write) => write.removeProvisional(...calls)),
    getSources: (...question) => Effect.flatMap(reads, (read) => read.getSources(...question)),
    getUsageForTool: (...question) => Effect.flatMap(reads, (read) => read.getUsageForTool(...question)),
    getUsageForSession: (...question) => Effect.flatMap(reads, (read) => read.getUsageForSession(...question)),
    getUsageSince: (...question) => Effect.flatMap(reads, (read) => read.getUsageSince(...question)),
    getNewestSession: Effect.flatMap(reads, (read) => read.getNewestSession),
    getActivity: (...question) => Effect.flatMap(reads, (read) => read.getActivity(...question)),
    getNewest: (...question) => Effect.flatMap(reads, (read) => read.getNewest(...question)),
  })
})

/** `UsageEvents` over an open database whose schema is up to date. */
export const UsageEventsSql: Layer.Layer<UsageEvents, never, SqlClient.SqlClient> = Layer.effect(
  UsageEvents,
  makeUsageEvents,
)
