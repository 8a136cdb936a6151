import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type Coverage, coverageOf } from "../../domain/Evidence.ts"
import { AllProjects, type ProjectSelection } from "../../domain/Project.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { type ReadTranscript, Transcripts, type UnreadableTranscript } from "../../services/Transcripts.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"

export interface MeasuredCoverage extends Coverage {
  readonly transcripts: number
  /** The first and the last call of the window that transcripts show; none if they show none. */
  readonly span: Option.Option<{ readonly from: Timestamp.Timestamp; readonly until: Timestamp.Timestamp }>
  /** The day before which calls are pruned, and so left out; none if that is before the window. */
  readonly prunedBefore: Option.Option<string>
  readonly unreadable: ReadonlyArray<UnreadableTranscript>
}

/** The calls since a time in one transcript, by tool-use id. */
const readCalls = Effect.fn("coverage.readCalls")(function* (path: string, since: string) {
  const transcripts = yield* Transcripts
  const shown = new Map<string, ToolUse>()
  let read = Option.none<ReadTranscript>()
  for (;;) {
    const part = yield* transcripts.readOn({ path, read })
    for (const call of part.calls) if (call.toolUseId !== null && call.usedAt >= since) shown.set(call.toolUseId, call)
    if (part.isEnd) return shown
    read = Option.some(part.read)
  }
})

/**
 * Reads the transcripts that changed since a time, all of each, and looks up each call of that time in the store. A call that
 * several transcripts show, as forks of a session do, counts once. One without a known project may belong to any, so it counts. Nothing
 * is stored.
 */
export const measureCoverage = Effect.fn("measureCoverage")(function* (
  since: Timestamp.Timestamp,
  project: ProjectSelection = AllProjects,
): Effect.fn.Return<MeasuredCoverage, PersistenceError, Transcripts | UsageEvents | StoreUpkeep> {
  const transcripts = yield* Transcripts
  const events = yield* UsageEvents
  const prunedBefore = Option.filter(
    yield* Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.prunedBefore),
    (day) => day > since,
  )
  const from = Option.getOrElse(prunedBefore, () => since)
  // If Claude Code keeps nothing, there is nothing to cover.
  const found = yield* transcripts
    .find([])
    .pipe(Effect.catchTag("NoSuchPath", () => Effect.succeed({ files: [], unreadable: [] })))
  const changed = found.files.filter(({ modifiedAt }) => modifiedAt >= Timestamp.toEpochMillis(since))
  const shown = new Map<string, ToolUse>()
  const unreadable = [...found.unreadable]
  for (const { path } of changed) {
    const calls = yield* Effect.either(readCalls(path, from))
    if (Either.isLeft(calls)) unreadable.push(calls.left)
    else {
      for (const [id, call] of calls.right) {
        if (project === AllProjects || call.projectHash === null || call.projectHash === project) shown.set(id, call)
      }
    }
  }
  const sources = yield* events.getSources("claude-code", [...shown.keys()])
  const times = [...shown.values()].map(({ usedAt }) => usedAt).sort()
  const [first, last] = [times[0], times.at(-1)]
  return {
    ...coverageOf([...shown].map(([id, { toolName }]) => ({ toolName, source: sources.get(id) ?? null }))),
    transcripts: changed.length,
    span: first === undefined || last === undefined ? Option.none() : Option.some({ from: first, until: last }),
    prunedBefore,
    unreadable,
  }
})
