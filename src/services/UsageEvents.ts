import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ProjectSelection } from "../domain/Project.ts"
import type { DetailPruned, PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { TimeWindow } from "../domain/TimeWindow.ts"
import type { ToolUsageEvent, ToolUse, ToolUseSource } from "../domain/ToolUse.ts"
import type { AgentActivity, ToolUsageStats } from "../domain/Usage.ts"

/** The events: one row per tool call. Windows end now and are 7 days long by default; statistics come most used first, then by name. */
export class UsageEvents extends Context.Tag("tooltrail/services/UsageEvents")<
  UsageEvents,
  {
    /** `known`: a call of the same agent and id is there already, or the call is older than what was pruned; nothing changed. */
    readonly insert: (use: ToolUse) => Effect.Effect<"inserted" | "known", PersistenceError>

    /** Inserts many, in their order, and adds them to the sums. Returns those that were inserted. To be run in a transaction. */
    readonly insertAll: (uses: ReadonlyArray<ToolUse>) => Effect.Effect<ReadonlyArray<ToolUse>, PersistenceError>

    /**
     * Removes the provisional calls that the transcript of their session shows under their own ids: those of each session and
     * agent from its start, or from shortly before its first call here, up to shortly after its last call here. The aggregate and the
     * sums follow. To be run in a transaction, before these calls are inserted.
     */
    readonly removeProvisional: (
      shown: ReadonlyArray<ToolUse>,
      from?: "start" | "first call",
    ) => Effect.Effect<void, PersistenceError>

    /** The source of each of these calls that is recorded, by its id. */
    readonly getSources: (
      agent: string,
      toolUseIds: ReadonlyArray<string>,
    ) => Effect.Effect<ReadonlyMap<string, ToolUseSource>, PersistenceError>

    /** How often was this tool used lately? None if it was not. */
    readonly getUsageForTool: (
      toolName: string,
      project: ProjectSelection,
      window?: TimeWindow,
    ) => Effect.Effect<Option.Option<ToolUsageStats>, PersistenceError | DetailPruned>

    /** What did this session use? `null` asks for the calls without a session, which no index finds. Pruned calls are left out. */
    readonly getUsageForSession: (
      sessionId: string | null,
    ) => Effect.Effect<ReadonlyArray<ToolUsageStats>, PersistenceError>

    /** The most used tools of a project lately. */
    readonly getUsageSince: (
      project: ProjectSelection,
      window?: TimeWindow,
    ) => Effect.Effect<ReadonlyArray<ToolUsageStats>, PersistenceError | DetailPruned>

    /** The session of the newest call that has one. */
    readonly getNewestSession: Effect.Effect<Option.Option<string>, PersistenceError>

    /** When an agent's last call was, pruned or not, and how many it made since an instant. */
    readonly getActivity: (agent: string, since: Timestamp) => Effect.Effect<AgentActivity, PersistenceError>

    /** The newest calls, newest first. */
    readonly getNewest: (
      project: ProjectSelection,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<ToolUsageEvent>, PersistenceError>
  }
>() {}
