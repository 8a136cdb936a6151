// Reads every call of a folder of transcripts and stores none; bundled by import.mjs: node <bundle> <folder>
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TranscriptsRemembering } from "../src/layers/TranscriptsLive.ts"
import { Transcripts } from "../src/services/Transcripts.ts"

const [folder] = process.argv.slice(2)

const readAll = Effect.gen(function* () {
  const { find, readOn } = yield* Transcripts
  const { files } = yield* find([folder])
  const readFile = ({ path }) =>
    Effect.gen(function* () {
      let calls = 0
      for (let part; part?.isEnd !== true; ) {
        part = yield* readOn(path, Option.fromNullable(part?.read))
        calls += part.calls.length
      }
      return calls
    })
  const counts = yield* Effect.forEach(files, readFile)
  return counts.reduce((sum, calls) => sum + calls, 0)
})

const started = performance.now()
Effect.runPromise(Effect.provide(readAll, TranscriptsRemembering)).then((calls) =>
  console.log(JSON.stringify({ calls, seconds: (performance.now() - started) / 1000 })),
)
