import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** So that the series of a project come tool by tool, and the sums of each tool are added up as they come. */
export const indexSeriesByTool = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE INDEX idx_usage_series_project_tool ON usage_series(project_hash, tool_name)`,
)
