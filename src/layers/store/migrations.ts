import * as Migrator from "@effect/sql/Migrator"
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Effect from "effect/Effect"
import { createToolRegistry } from "./migrations/0016_create_tool_registry.ts"
import { createToolUsageEvents } from "./migrations/0017_create_tool_usage_events.ts"
import { addCallDetailsAndProjects } from "./migrations/0018_add_call_details_and_projects.ts"
import { addBaselinesAndDrainedCalls } from "./migrations/0019_add_baselines_and_drained_calls.ts"
import { addTranscriptFiles } from "./migrations/0020_add_transcript_files.ts"
import { addIdentityAndImportLedgers } from "./migrations/0021_add_identity_and_import_ledgers.ts"
import { addUsageRollups } from "./migrations/0022_add_usage_rollups.ts"
import { addRecentEventsLater } from "./migrations/0023_add_recent_events_later.ts"
import { clusterHoursByDay } from "./migrations/0024_cluster_hours_by_day.ts"
import { cutSums } from "./migrations/0025_cut_sums.ts"
import { renameTriggers } from "./migrations/0026_rename_triggers.ts"
import { rememberPrunedCalls } from "./migrations/0027_remember_pruned_calls.ts"
import { knowEventsByMoreNames } from "./migrations/0028_know_events_by_more_names.ts"
import { fingerprintTranscripts } from "./migrations/0029_fingerprint_transcripts.ts"
import { indexSeriesByTool } from "./migrations/0030_index_series_by_tool.ts"
import { dropIndexOfProjects } from "./migrations/0031_drop_index_of_projects.ts"

/** By number and name, as the migrator wants them. */
export const migrations = {
  "0016_create_tool_registry": createToolRegistry,
  "0017_create_tool_usage_events": createToolUsageEvents,
  "0018_add_call_details_and_projects": addCallDetailsAndProjects,
  "0019_add_baselines_and_drained_calls": addBaselinesAndDrainedCalls,
  "0020_add_transcript_files": addTranscriptFiles,
  "0021_add_identity_and_import_ledgers": addIdentityAndImportLedgers,
  "0022_add_usage_rollups": addUsageRollups,
  "0023_add_recent_events_later": addRecentEventsLater,
  "0024_cluster_hours_by_day": clusterHoursByDay,
  "0025_cut_sums": cutSums,
  "0026_rename_triggers": renameTriggers,
  "0027_remember_pruned_calls": rememberPrunedCalls,
  "0028_know_events_by_more_names": knowEventsByMoreNames,
  "0029_fingerprint_transcripts": fingerprintTranscripts,
  "0030_index_series_by_tool": indexSeriesByTool,
  "0031_drop_index_of_projects": dropIndexOfProjects,
}

/** Brings the schema up to date. A migration that fails is a defect of type `MigrationError`. */
export const migrate: Effect.Effect<unknown, Migrator.MigrationError | SqlError, SqlClient.SqlClient> = Migrator.make(
  {},
)({ loader: Migrator.fromRecord(migrations) })
