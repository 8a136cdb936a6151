import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { setFlagsFromString } from "node:v8"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { printable } from "../../domain/printable.ts"
import { fillNewStore } from "../../layers/fillNewStore.ts"
import { HomeLive } from "../../layers/HomeLive.ts"
import { StoreLive } from "../../layers/Store.ts"
import { StoreFileSqlite } from "../../layers/StoreFileSqlite.ts"
import { TranscriptsRemembering } from "../../layers/TranscriptsLive.ts"
import { counted } from "../counted.ts"
import {
  alone,
  considerate,
  type ImportListener,
  type ImportResult,
  importTranscripts,
  type Pace,
} from "../importTranscripts.ts"
import { TranscriptsInWorker } from "../transcriptWorker/TranscriptsInWorker.ts"
import { explainDamage } from "./damage.ts"
import { described } from "./described.ts"
import { argument, json } from "./options.ts"
import { progressBar } from "./progressBar.ts"

const BUSY_TIMEOUT_MILLIS = 5000

/** Large, because what is written back into the database in larger pieces is written less often. */
const CHECKPOINT_PAGES = 20_000

/**
 * V8 lets garbage grow to a multiple of what lives, and an import makes much garbage. With more room it is hardly faster.
 * Unlike Node's options these can be set while it runs; what does not know them ignores them.
 */
const SMALL_HEAP = ["--max-semi-space-size=4", "--heap-growing-percent=30"]

/** So many broken lines are named; of the others there is the count. */
const NAMED_LINES = 20

const RecordingStore = StoreLive({
  busyTimeoutMillis: BUSY_TIMEOUT_MILLIS,
  checkpointPages: CHECKPOINT_PAGES,
  whenMissing: "create",
})

/** The worker is built beside the program that runs. */
const workerBeside = Effect.sync(() => join(dirname(realpathSync(process.argv[1] ?? "")), "transcript-worker.cjs"))

const ReadTranscripts = Layer.unwrapEffect(Effect.map(workerBeside, (program) => TranscriptsInWorker(program))).pipe(
  Layer.provide(TranscriptsRemembering),
)

const render = ({ summary, places, unreadable }: ImportResult): string => {
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

const fromTranscripts = (paths: ReadonlyArray<string>, pace: Pace) =>
  Effect.gen(function* () {
    for (const flag of SMALL_HEAP) setFlagsFromString(flag)
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
    return yield* importTranscripts(paths, listener, pace)
  }).pipe(
    Effect.scoped,
    Effect.onInterrupt(() => Effect.logWarning("interrupted; the next import goes on where this one stopped")),
    Effect.provide(Layer.merge(RecordingStore, ReadTranscripts)),
    Effect.catchTag("StoreMissing", Effect.die),
  )

/** Into a new store without regard for hooks, which do not see it yet; else into the one that is there. */
const importHistory = (paths: ReadonlyArray<string>) =>
  Effect.flatMap(
    fillNewStore(fromTranscripts(paths, alone)),
    Option.match({ onSome: Effect.succeed, onNone: () => fromTranscripts(paths, considerate) }),
  )

const paths = argument(
  "path",
  "A transcript, or a folder with transcripts; where it is left out, all that Claude Code keeps.",
).pipe(Args.repeated)

export const importCalls = Command.make("import", { paths, json }, ({ paths, json }) =>
  Effect.gen(function* () {
    const result = yield* importHistory(paths)
    yield* Console.log(json ? JSON.stringify(result.summary) : render(result))
  }).pipe(
    Effect.catchTag("PersistenceError", (error) => Effect.flip(explainDamage(error))),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  ),
).pipe(
  described(
    "Records the calls of your history from Claude Code's transcripts. Each is recorded once, however often it is imported.",
    "tooltrail import ~/.claude/projects",
  ),
)
