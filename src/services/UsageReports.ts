import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ProjectSelection } from "../domain/Project.ts"
import type { DetailPruned, PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { TimeWindow } from "../domain/TimeWindow.ts"
import type { ReportDimension } from "../domain/Usage.ts"
import type { SessionReport, ToolReport, TrendPoint, TrendUnit, UsageReport } from "../domain/UsageReport.ts"

/** What people ask of the events. Each answer is of one moment, however many queries it takes. */
export class UsageReports extends Context.Tag("tooltrail/services/UsageReports")<
  UsageReports,
  {
    /** The calls of a window by one dimension; none where there are no calls. A call without a value there is in no row. */
    readonly getReport: (
      dimension: ReportDimension,
      project: ProjectSelection,
      window: TimeWindow,
    ) => Effect.Effect<Option.Option<UsageReport>, PersistenceError | DetailPruned>

    /** Everything about one tool; none where it was not called. */
    readonly getToolReport: (
      toolName: string,
      project: ProjectSelection,
      window: TimeWindow,
    ) => Effect.Effect<Option.Option<ToolReport>, PersistenceError | DetailPruned>

    /** Everything about one session; none if it has no calls, or all of them are pruned. */
    readonly getSessionReport: (sessionId: string) => Effect.Effect<Option.Option<SessionReport>, PersistenceError>

    /**
     * The calls of a tool, or of all, by day, week or month, from the one in which the window begins on; the first is whole.
     * It is answered from sums by day, and so of pruned calls as well. None where there are no calls.
     */
    readonly getTrend: (question: {
      readonly tool: Option.Option<string>
      readonly project: ProjectSelection
      readonly window: TimeWindow
      readonly unit: TrendUnit
    }) => Effect.Effect<ReadonlyArray<TrendPoint>, PersistenceError>

    /** When the first call was that is recorded. Of a day that is pruned, the first time that is known of a call. */
    readonly getObservedFrom: (project: ProjectSelection) => Effect.Effect<Option.Option<Timestamp>, PersistenceError>
  }
>() {}
