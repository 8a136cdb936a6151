// Reads every call of a folder of transcripts as an import does, and stores none; bundled by import.mjs: node <bundle> <folder>
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TranscriptsRemembering } from "../src/layers/agents/TranscriptsLive.ts"
import { Transcripts } from "../src/services/Transcripts.ts"

const [folder] = process.argv.slice(2)

const started = performance.now()
const readAll = Effect.gen(function* () {
  const { find, readOn } = yield* Transcripts
  const { files } = yield* find([folder])
  let calls = 0
  for (const { path } of files) {
    let read = Option.none()
    for (let isEnd = false; !isEnd; ) {
      const part = yield* readOn({ path, read })
      calls += part.calls.length
      read = Option.some(part.read)
      isEnd = part.isEnd
    }
  }
  console.log(JSON.stringify({ calls, seconds: (performance.now() - started) / 1000 }))
})

Effect.runPromise(Effect.provide(readAll, TranscriptsRemembering))
