import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import type { StoreMissing } from "../domain/StoreMissing.ts"
import { DrainLedger } from "../services/DrainLedger.ts"
import type { Home } from "../services/Home.ts"
import { Projects } from "../services/Projects.ts"
import { Retention } from "../services/Retention.ts"
import { ToolRegistry } from "../services/ToolRegistry.ts"
import { TranscriptLedger } from "../services/TranscriptLedger.ts"
import { UsageEvents } from "../services/UsageEvents.ts"
import { UsageReports } from "../services/UsageReports.ts"
import { UsageRollups } from "../services/UsageRollups.ts"
import { makeDrainLedger } from "./DrainLedgerSql.ts"
import { makeProjects } from "./ProjectsSql.ts"
import { makeRetention } from "./RetentionSql.ts"
import { openSqlite, openSqliteInMemory, type SqliteOptions } from "./Sqlite.ts"
import { makeToolRegistry } from "./ToolRegistrySql.ts"
import { makeTranscriptLedger } from "./TranscriptLedgerSql.ts"
import { makeUsageEvents } from "./UsageEventsSql.ts"
import { makeUsageReports } from "./UsageReportsSql.ts"
import { makeUsageRollups } from "./UsageRollupsSql.ts"

export type Store =
  | ToolRegistry
  | UsageEvents
  | UsageReports
  | UsageRollups
  | Projects
  | Retention
  | DrainLedger
  | TranscriptLedger

/** Everything that is kept, and the open database below it. */
const makeStore = (client: SqliteClient.SqliteClient) =>
  Effect.gen(function* () {
    return Context.make(UsageEvents, yield* makeUsageEvents).pipe(
      Context.add(ToolRegistry, yield* makeToolRegistry),
      Context.add(UsageReports, yield* makeUsageReports),
      Context.add(UsageRollups, yield* makeUsageRollups),
      Context.add(Retention, yield* makeRetention),
      Context.add(Projects, yield* makeProjects),
      Context.add(DrainLedger, yield* makeDrainLedger),
      Context.add(TranscriptLedger, yield* makeTranscriptLedger),
      Context.add(SqlClient.SqlClient, client),
      Context.add(SqliteClient.SqliteClient, client),
    )
  }).pipe(Effect.provideService(SqlClient.SqlClient, client))

/**
 * The store in the home folder, with its schema up to date. It is one layer, not a merge of many, because the hook builds
 * it after every tool call: each layer costs most of a millisecond there, and each merge two.
 */
export const StoreLive = (
  options: SqliteOptions,
): Layer.Layer<Store | SqlClient.SqlClient | SqliteClient.SqliteClient, PersistenceError | StoreMissing, Home> =>
  Layer.scopedContext(Effect.flatMap(openSqlite(options), makeStore))

/** The same in memory, empty, made by the same migrations. */
export const StoreMemory: Layer.Layer<Store | SqlClient.SqlClient | SqliteClient.SqliteClient, PersistenceError> =
  Layer.scopedContext(Effect.flatMap(openSqliteInMemory, makeStore))
