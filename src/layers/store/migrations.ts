import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import { createToolRegistry } from "./migrations/0016_create_tool_registry.ts"
import { createToolUsageEvents } from "./migrations/0017_create_tool_usage_events.ts"
import { callsAndProjects } from "./migrations/0018_calls_and_projects.ts"
import { sums } from "./migrations/0019_sums.ts"

/** By number and name, as the migrator wants them. */
export const migrations = {
  "0016_create_tool_registry": createToolRegistry,
  "0017_create_tool_usage_events": createToolUsageEvents,
  "0018_calls_and_projects": callsAndProjects,
  "0019_sums": sums,
}

const TABLE = "tooltrail_migrations"

/**
 * A database in which another program made the tables of migrations 16 and 17 is used as it is. One that an unreleased tooltrail
 * made has more columns and no table of our migrations.
 */
const adoptTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql`
    SELECT name FROM sqlite_master WHERE type = 'table' AND name IN (${TABLE}, 'tool_usage_events')`
  if (tables.length !== 1 || tables[0]?.name === TABLE) return
  const columns = yield* sql`SELECT 1 FROM pragma_table_info('tool_usage_events') WHERE name = 'tool_use_id'`
  if (columns.length > 0) {
    return yield* new PersistenceError({
      operation: "use the store",
      reason: "unavailable",
      cause:
        "an unreleased version of tooltrail made it; write it out with that version's `tooltrail export`, and import that",
    })
  }
  yield* sql`
    CREATE TABLE ${sql(TABLE)} (
      migration_id INTEGER PRIMARY KEY NOT NULL, created_at DATETIME NOT NULL DEFAULT current_timestamp,
      name VARCHAR(255) NOT NULL)`
  yield* sql`
    INSERT INTO ${sql(TABLE)} (migration_id, name)
    VALUES (16, 'create_tool_registry'), (17, 'create_tool_usage_events')`
})

/**
 * Brings the schema up to date. A migration that fails is a defect of type `MigrationError`. The table of migrations is our
 * own, because a host's own migrations use the migrator's default table.
 */
export const migrate: Effect.Effect<
  unknown,
  Migrator.MigrationError | SqlError | PersistenceError,
  SqlClient.SqlClient
> = Effect.zipRight(adoptTables, Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: TABLE }))
