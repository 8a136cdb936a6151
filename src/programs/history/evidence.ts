import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Evidence, judgeEvidence, type KnownCoverage, recordedShare } from "../../domain/Evidence.ts"
import { lastUse } from "../../domain/foldUses.ts"
import { AllProjects, type ProjectSelection } from "../../domain/Project.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { Timestamp } from "../../domain/Timestamp.ts"
import { cutoff, type TimeWindow } from "../../domain/TimeWindow.ts"
import type { ToolRegistryRow } from "../../domain/Tool.ts"
import type { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import type { Transcripts } from "../../services/Transcripts.ts"
import type { UsageEvents } from "../../services/UsageEvents.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import { type MeasuredCoverage, measureCoverage } from "./coverage.ts"

export interface GatheredEvidence {
  readonly windowStart: Timestamp
  readonly evidence: Evidence
  readonly coverage: MeasuredCoverage
  /** All tools that are known, of all projects. */
  readonly registry: ReadonlyArray<ToolRegistryRow>
}

const known = (coverage: MeasuredCoverage): Option.Option<KnownCoverage> =>
  Option.flatMap(Option.fromNullable(recordedShare(coverage)), (share) =>
    Option.map(coverage.span, ({ from }) => ({ share, calls: coverage.calls, from })),
  )

/** Whether a tool without recorded calls in a window, in a project or in all, can be said not to have been called. */
export const gatherEvidence = Effect.fn("gatherEvidence")(function* (
  project: ProjectSelection,
  window: TimeWindow,
): Effect.fn.Return<
  GatheredEvidence,
  PersistenceError,
  UsageReports | ToolRegistry | UsageEvents | StoreUpkeep | Transcripts
> {
  const reports = yield* UsageReports
  const registry = yield* Effect.flatMap(ToolRegistry, ({ getAvailableForSession }) =>
    getAvailableForSession(AllProjects),
  )
  const windowStart = yield* cutoff(window)
  const coverage = yield* measureCoverage(windowStart, project)
  const evidence = judgeEvidence({
    observedFrom: yield* reports.getObservedFrom(project),
    observedUntil: lastUse(registry.filter((row) => project === AllProjects || row.project_hash === project)),
    windowStart,
    coverage: known(coverage),
    days: yield* reports.getTrend({ tool: Option.none(), project: AllProjects, window, unit: "day" }),
  })
  return { windowStart, evidence, coverage, registry }
})
