import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PersistenceError, StoreMissing } from "../../domain/StoreError.ts"
import type { Home } from "../../services/Home.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { TranscriptLedger } from "../../services/Transcripts.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { openSqlite, openSqliteInMemory, type SqliteOptions } from "./openStore.ts"
import { makeRecordingStore, type RecordingStore } from "./RecordingStore.ts"
import { makeStoreUpkeep } from "./StoreUpkeepSql.ts"
import { makeTranscriptLedger } from "./TranscriptLedgerSql.ts"
import { makeUsageReports } from "./UsageReportsSql.ts"

export type Store = RecordingStore | UsageReports | StoreUpkeep | TranscriptLedger

/** Everything that is kept, and the open database below it. */
const makeStore = (client: SqliteClient.SqliteClient) =>
  Effect.gen(function* () {
    return (yield* makeRecordingStore(client)).pipe(
      Context.add(UsageReports, yield* makeUsageReports),
      Context.add(StoreUpkeep, yield* makeStoreUpkeep),
      Context.add(TranscriptLedger, yield* makeTranscriptLedger),
    )
  }).pipe(Effect.provideService(SqlClient.SqlClient, client))

/** The store in the home folder, with its schema up to date. */
export const StoreLive = (
  options: SqliteOptions,
): Layer.Layer<Store | SqlClient.SqlClient | SqliteClient.SqliteClient, PersistenceError | StoreMissing, Home> =>
  Layer.scopedContext(Effect.flatMap(openSqlite(options), makeStore))

/** The same in memory, empty, made by the same migrations. */
export const StoreMemory: Layer.Layer<Store | SqlClient.SqlClient | SqliteClient.SqliteClient, PersistenceError> =
  Layer.scopedContext(Effect.flatMap(openSqliteInMemory, makeStore))
