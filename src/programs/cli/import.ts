import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HomeLive } from "../../layers/HomeLive.ts"
import { StoreFileSqlite } from "../../layers/StoreFileSqlite.ts"
import { importTranscripts } from "../importTranscripts.ts"
import { explainDamage } from "./damage.ts"
import { described } from "./described.ts"
import { argument, json } from "./options.ts"
import { renderImport, sayWhereItStopped, showProgress, TranscriptRecording } from "./recordTranscripts.ts"

const fromTranscripts = (paths: ReadonlyArray<string>) =>
  Effect.flatMap(showProgress, (listener) => importTranscripts(paths, listener)).pipe(Effect.scoped, sayWhereItStopped)

const paths = argument(
  "path",
  "A transcript, or a folder with transcripts; where it is left out, all that Claude Code keeps.",
).pipe(Args.repeated)

export const importCalls = Command.make("import", { paths, json }, ({ paths, json }) =>
  Effect.gen(function* () {
    const result = yield* fromTranscripts(paths)
    yield* Console.log(json ? JSON.stringify(result.summary) : renderImport(result))
  }).pipe(
    Effect.provide(TranscriptRecording),
    Effect.catchTag("PersistenceError", (error) => Effect.flip(explainDamage(error))),
    Effect.catchTag("StoreMissing", Effect.die),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  ),
).pipe(
  described(
    "Records the calls of your history from Claude Code's transcripts. Each is recorded once, however often it is imported.",
    "tooltrail import ~/.claude/projects",
  ),
)
