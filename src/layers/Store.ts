import * as Layer from "effect/Layer"
import type { PersistenceError } from "../domain/PersistenceError.ts"
import type { StoreMissing } from "../domain/StoreMissing.ts"
import type { DrainLedger } from "../services/DrainLedger.ts"
import type { Home } from "../services/Home.ts"
import type { Projects } from "../services/Projects.ts"
import type { ToolRegistry } from "../services/ToolRegistry.ts"
import type { UsageEvents } from "../services/UsageEvents.ts"
import { DrainLedgerSql } from "./DrainLedgerSql.ts"
import { ProjectsSql } from "./ProjectsSql.ts"
import { SqliteLive, SqliteMemory, type SqliteOptions } from "./Sqlite.ts"
import { ToolRegistrySql } from "./ToolRegistrySql.ts"
import { UsageEventsSql } from "./UsageEventsSql.ts"

export type Store = ToolRegistry | UsageEvents | Projects | DrainLedger

const StoreSql = Layer.mergeAll(ToolRegistrySql, UsageEventsSql, ProjectsSql, DrainLedgerSql)

/** Everything that is kept, in the SQLite database of the home folder. */
export const StoreLive = (options: SqliteOptions): Layer.Layer<Store, PersistenceError | StoreMissing, Home> =>
  Layer.provide(StoreSql, SqliteLive(options))

/** The same in memory, empty. */
export const StoreMemory: Layer.Layer<Store, PersistenceError> = Layer.provide(StoreSql, SqliteMemory)
