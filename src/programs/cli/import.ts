import { resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/PersistenceError.ts"
import { printable } from "../../domain/printable.ts"
import { HomeLive } from "../../layers/HomeLive.ts"
import { ProjectResolverLive } from "../../layers/ProjectResolverLive.ts"
import { ProjectResolverRemembering } from "../../layers/ProjectResolverRemembering.ts"
import { StoreLive } from "../../layers/Store.ts"
import { StoreFileSqlite } from "../../layers/StoreFileSqlite.ts"
import { TranscriptsLive } from "../../layers/TranscriptsLive.ts"
import { counted } from "../counted.ts"
import { recogniseExport } from "../importExport.ts"
import { type ImportResult, importTranscripts } from "../importTranscripts.ts"
import { explainDamage } from "./damage.ts"
import { described } from "./described.ts"
import { takeExport, takeLaminark } from "./importOthers.ts"
import { argument, json } from "./options.ts"
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

const Surroundings = Layer.merge(RecordingStore, Layer.provide(TranscriptsLive, RememberedProjects))

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

const fromTranscripts = (paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const show = yield* progressBar
    let broken = 0
    return yield* importTranscripts(paths, {
      onProgress: ({ files, filesDone, bytes, bytesDone, calls }) =>
        show({
          doneBytes: bytesDone,
          bytes,
          text: `${filesDone} of ${counted(files, "file")}  ${counted(calls, "call")}`,
        }),
      onUnreadable: (error) => Effect.logWarning(error.message),
      onBrokenLine: (path, line) =>
        ++broken > NAMED_LINES ? Effect.void : Effect.logWarning(`${path}:${line} is no JSON and is left out`),
    })
  }).pipe(
    Effect.scoped,
    Effect.onInterrupt(() =>
      Effect.logWarning("interrupted; what was read so far is stored, and the next import goes on there"),
    ),
  )

const takeTranscripts = (paths: ReadonlyArray<string>, asJson: boolean) =>
  Effect.gen(function* () {
    const result = yield* fromTranscripts(paths)
    yield* Console.log(asJson ? JSON.stringify(result.summary) : render(result))
  }).pipe(
    Effect.provide(Surroundings),
    Effect.catchTag("PersistenceError", (error) => Effect.flip(explainDamage(error))),
    Effect.catchTag("StoreMissing", Effect.die),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  )

const paths = argument(
  "path",
  "Transcripts, or folders with transcripts; where it is left out, all that Claude Code keeps. Or a file that `tooltrail export` wrote. Or `laminark`, and its database where that is not where laminark keeps it.",
).pipe(Args.repeated)

const refuse = (what: string, cause: string) =>
  new PersistenceError({ operation: `import ${what}`, reason: "rejected", cause })

export const importCalls = Command.make("import", { paths, json }, ({ paths, json }) =>
  Effect.gen(function* () {
    const [first, second, ...others] = paths
    if (first === "laminark") {
      if (others.length > 0) return yield* refuse("laminark", "one database at a time")
      return yield* takeLaminark(second, json)
    }
    for (const path of paths) {
      const format = yield* recogniseExport(resolve(path))
      if (Option.isNone(format)) continue
      if (paths.length > 1) return yield* refuse(path, "it is an export, which is imported by itself")
      return yield* takeExport(resolve(path), format.value, json)
    }
    yield* takeTranscripts(paths, json)
  }),
).pipe(
  described(
    "Records the calls of your history from Claude Code's transcripts, of an export, or of laminark. Each is recorded once, however often it is imported.",
    "tooltrail import ~/.claude/projects",
  ),
)
