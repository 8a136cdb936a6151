// Reads every call of a folder of transcripts as an import does, and stores none; bundled by import.mjs: node <bundle> <folder> <worker>
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TranscriptsRemembering } from "../src/layers/agents/TranscriptsLive.ts"
import { readTranscripts } from "../src/programs/history/readTranscripts.ts"
import { TranscriptsInWorker } from "../src/programs/transcriptWorker/TranscriptsInWorker.ts"
import { Transcripts } from "../src/services/Transcripts.ts"

const [folder, worker] = process.argv.slice(2)

const started = performance.now()
const readAll = Effect.gen(function* () {
  const { find } = yield* Transcripts
  const { files } = yield* find([folder])
  return yield* readTranscripts(files, new Map()).pipe(
    Stream.runFold(0, (sum, part) => sum + Either.getOrThrow(part).calls.length),
  )
}).pipe(
  Effect.tap((calls) =>
    Effect.sync(() => console.log(JSON.stringify({ calls, seconds: (performance.now() - started) / 1000 }))),
  ),
)

Effect.runPromise(Effect.provide(readAll, TranscriptsInWorker(worker).pipe(Layer.provide(TranscriptsRemembering))))
