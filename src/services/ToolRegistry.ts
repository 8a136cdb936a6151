import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { CountedUses } from "../domain/foldUses.ts"
import type { ProjectSelection } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { DiscoveredTool, RegistryDrift, ToolRegistryRow } from "../domain/Tool.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

/** The aggregate: one row per tool and project. */
export class ToolRegistry extends Context.Tag("tooltrail/services/ToolRegistry")<
  ToolRegistry,
  {
    /**
     * Counts one use: the first creates the row with `usage_count` 1, each later one adds 1. `last_used_at` is the latest
     * of all uses, in whatever order they arrive. A use that has no event is kept in the row's baseline as well, so that
     * the count stays provable: it is always the baseline and the events together.
     */
    readonly recordOrCreate: (
      tool: DiscoveredTool,
      usedAt: Timestamp,
      options?: { readonly hasEvent: boolean },
    ) => Effect.Effect<void, PersistenceError>

    /** Counts many uses that have events, as one `recordOrCreate` after the other would. */
    readonly recordAll: (uses: ReadonlyArray<CountedUses>) => Effect.Effect<void, PersistenceError>

    /** Makes the rows of these calls' tools equal to what their baseline and the events fold to, for calls whose event is stored. */
    readonly refold: (uses: ReadonlyArray<ToolUse>) => Effect.Effect<void, PersistenceError>

    /** The rows that differ from what their baseline and the events fold to; none in a store that is whole. */
    readonly findDrift: Effect.Effect<ReadonlyArray<RegistryDrift>, PersistenceError>

    /** Makes every row equal to what its baseline and the events fold to. Returns what it mended. */
    readonly rebuild: Effect.Effect<ReadonlyArray<RegistryDrift>, PersistenceError>

    /**
     * The tools in scope for a project: global ones, its own, and plugins'. One row a tool: the project's own where there
     * is one, else the most used of the other projects'. Ordered by kind (mcp_server, slash_command, skill, plugin, the
     * rest), then most used first, then by name. For all projects: every row.
     */
    readonly getAvailableForSession: (
      project: ProjectSelection,
    ) => Effect.Effect<ReadonlyArray<ToolRegistryRow>, PersistenceError>
  }
>() {}
