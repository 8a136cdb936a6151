import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PersistenceError, StoreMissing } from "../../domain/StoreError.ts"
import type { Home } from "../../services/Home.ts"
import { Projects } from "../../services/Projects.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { Transaction } from "../../services/Transaction.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { makeTransaction } from "./immediateTransaction.ts"
import { openSqlite, type SqliteOptions } from "./openStore.ts"
import { makeProjects } from "./ProjectsSql.ts"
import { makeToolRegistry } from "./ToolRegistrySql.ts"
import { makeUsageEvents } from "./UsageEventsSql.ts"

/** What it takes to record calls. */
export type RecordingStore = ToolRegistry | UsageEvents | Projects | Transaction

/** The services that record, and the open database below them. */
export const makeRecordingStore = (client: SqliteClient.SqliteClient) =>
  Effect.gen(function* () {
    return Context.make(UsageEvents, yield* makeUsageEvents).pipe(
      Context.add(ToolRegistry, yield* makeToolRegistry),
      Context.add(Projects, yield* makeProjects),
      Context.add(Transaction, yield* makeTransaction),
      Context.add(SqlClient.SqlClient, client),
      Context.add(SqliteClient.SqliteClient, client),
    )
  }).pipe(Effect.provideService(SqlClient.SqlClient, client))

/**
 * The part of the store in the home folder that records, with its schema up to date. It is one layer, not a merge of four,
 * because the hook builds it after every tool call: each layer costs most of a millisecond there, and each merge two.
 */
export const RecordingStoreLive = (
  options: SqliteOptions,
): Layer.Layer<RecordingStore, PersistenceError | StoreMissing, Home> =>
  Layer.scopedContext(Effect.flatMap(openSqlite(options), makeRecordingStore))
