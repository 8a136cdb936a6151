import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { DetailPruned } from "../domain/DetailPruned.ts"
import type { RecordedFrom } from "../domain/Evidence.ts"
import type { ProjectSelection } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { TimeWindow } from "../domain/TimeWindow.ts"
import type { ToolUse } from "../domain/ToolUse.ts"
import type { AgentActivity, DimensionStats, ToolUsageEvent, ToolUsageStats, UsageDimension } from "../domain/Usage.ts"

/** The events: one row per tool call. Windows are the last 7 days unless told; statistics come most used first, then by name. */
export class UsageEvents extends Context.Tag("tooltrail/services/UsageEvents")<
  UsageEvents,
  {
    /**
     * `known`: a call of the same agent and tool-use id is there already, and nothing changed; or, of a hook's call without an
     * id, one of the same agent, session and tool, at most five seconds apart, which a transcript shows and no hook told of yet, or
     * which only the other of two hooks told of: that of the plugin, or another.
     */
    readonly insert: (use: ToolUse) => Effect.Effect<"inserted" | "known", PersistenceError>

    /** Inserts many, in their order. Returns those that were not known yet. To be run in a transaction. */
    readonly insertAll: (uses: ReadonlyArray<ToolUse>) => Effect.Effect<ReadonlyArray<ToolUse>, PersistenceError>

    /**
     * Some headless versions of Claude Code give the hook no tool-use id. Events of the hook get that of the call which a
     * transcript shows: of the same agent, session and tool, and at most five seconds apart. To be run in a transaction, before
     * the transcripts' calls are inserted, which are known by it then.
     */
    readonly identifyHookCalls: (uses: ReadonlyArray<ToolUse>) => Effect.Effect<void, PersistenceError>

    /** The ids of those of a transcript's calls that `identifyHookCalls` would give to events. */
    readonly getToldWithoutId: (uses: ReadonlyArray<ToolUse>) => Effect.Effect<ReadonlySet<string>, PersistenceError>

    /** Where the events of these calls came from, by tool-use id. Calls that are not recorded are left out. */
    readonly getSources: (
      agent: string,
      toolUseIds: ReadonlyArray<string>,
    ) => Effect.Effect<ReadonlyMap<string, RecordedFrom>, PersistenceError>

    /** How often was this tool used lately? None if it was not. */
    readonly getUsageForTool: (
      toolName: string,
      project: ProjectSelection,
      window?: TimeWindow,
    ) => Effect.Effect<Option.Option<ToolUsageStats>, PersistenceError | DetailPruned>

    /**
     * What did this session use? `null` asks for the calls without a session, which no index leads to: all events are gone
     * through. Fails where some of its calls are pruned.
     */
    readonly getUsageForSession: (
      sessionId: string | null,
    ) => Effect.Effect<ReadonlyArray<ToolUsageStats>, PersistenceError | DetailPruned>

    /** The most used tools of a project lately. */
    readonly getUsageSince: (
      project: ProjectSelection,
      window?: TimeWindow,
    ) => Effect.Effect<ReadonlyArray<ToolUsageStats>, PersistenceError | DetailPruned>

    /** As `getUsageSince`, summed by another dimension of the call. */
    readonly getUsageBy: (
      dimension: UsageDimension,
      project: ProjectSelection,
      window?: TimeWindow,
    ) => Effect.Effect<ReadonlyArray<DimensionStats>, PersistenceError | DetailPruned>

    /** The session of the newest call that has one. */
    readonly getNewestSession: Effect.Effect<Option.Option<string>, PersistenceError>

    /** When an agent's last call was, pruned or not, and how many it made since an instant. */
    readonly getActivity: (agent: string, since: Timestamp) => Effect.Effect<AgentActivity, PersistenceError>

    /** The newest calls that are not pruned, newest first. */
    readonly getNewest: (
      project: ProjectSelection,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<ToolUsageEvent>, PersistenceError>
  }
>() {}
