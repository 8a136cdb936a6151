import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** Series are found by their project in the index on project and tool, which the migration before made. */
export const dropIndexOfProjects = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`DROP INDEX IF EXISTS idx_usage_series_project`,
)
