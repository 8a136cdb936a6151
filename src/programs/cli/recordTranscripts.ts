import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { printable } from "../../domain/printable.ts"
import { ProjectResolverLive } from "../../layers/ProjectResolverLive.ts"
import { ProjectResolverRemembering } from "../../layers/ProjectResolverRemembering.ts"
import { StoreLive } from "../../layers/Store.ts"
import { TranscriptsLive } from "../../layers/TranscriptsLive.ts"
import { counted } from "../counted.ts"
import type { ImportListener, ImportResult } from "../importTranscripts.ts"
import { progressBar } from "./progressBar.ts"

const BUSY_TIMEOUT_MILLIS = 5000

/** Large, because what is written back into the database in larger pieces is written less often. */
const CHECKPOINT_PAGES = 10_000

/** So many broken lines are named; of the others there is the count. */
const NAMED_LINES = 20

const RecordingStore = StoreLive({
  busyTimeoutMillis: BUSY_TIMEOUT_MILLIS,
  checkpointPages: CHECKPOINT_PAGES,
  whenMissing: "create",
})

const RememberedProjects = Layer.provide(
  ProjectResolverRemembering({ capacity: 1000, timeToLive: "1 hour" }),
  ProjectResolverLive,
)

/** The transcripts, and the store that their calls go to, which is made where it is missing. */
export const TranscriptRecording = Layer.merge(RecordingStore, Layer.provide(TranscriptsLive, RememberedProjects))

/** Shows on a terminal how far it is, and names what cannot be read. */
export const showProgress = Effect.gen(function* () {
  const show = yield* progressBar
  let broken = 0
  const listener: ImportListener = {
    onProgress: ({ files, filesDone, bytes, bytesDone, calls }) =>
      show({
        doneBytes: bytesDone,
        bytes,
        text: `${filesDone} of ${counted(files, "file")}  ${counted(calls, "call")}`,
      }),
    onUnreadable: (error) => Effect.logWarning(error.message),
    onBrokenLine: (path, line) =>
      ++broken > NAMED_LINES ? Effect.void : Effect.logWarning(`${path}:${line} is no JSON and is left out`),
  }
  return listener
})

/** Says on an interrupt that nothing is lost by it. */
export const sayWhereItStopped = Effect.onInterrupt(() =>
  Effect.logWarning("interrupted; what was read so far is stored, and the next time goes on there"),
)

export const renderImport = ({ summary, places, unreadable }: ImportResult): string => {
  if (summary.files === 0) return `No transcripts in ${places.map(printable).join(", ")}.`
  const { recorded, already_known, without_result, broken_lines, seconds } = summary
  const parts = [
    `${already_known} known already`,
    `${without_result} without a result`,
    ...(broken_lines > 0 ? [counted(broken_lines, "broken line")] : []),
    ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
  ]
  return `Recorded ${counted(recorded, "call")} from ${counted(summary.files, "transcript")} in ${seconds.toFixed(1)} s (${parts.join(", ")}).`
}
