import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { TranscriptsRemembering } from "../../src/layers/TranscriptsLive.ts"
import { TranscriptsInWorker } from "../../src/programs/transcriptWorker/TranscriptsInWorker.ts"
import { Transcripts } from "../../src/services/Transcripts.ts"
import { temporaryFolder } from "../support/processes.ts"
import { realTranscripts } from "../support/transcripts.ts"

describe("transcripts in a worker", () => {
  it.live("are read here where the worker is missing", () =>
    Effect.gen(function* () {
      const { find, readEach } = yield* Transcripts
      const { files } = yield* find([realTranscripts])
      const parts = yield* readEach(files.map(({ path }) => ({ path, read: Option.none() })))
      const calls = parts.map((part) => Either.getOrThrow(part).callCount)
      assert.strictEqual(
        calls.reduce((sum, count) => sum + count),
        37,
      )
    }).pipe(
      Effect.provide(
        TranscriptsInWorker(join(temporaryFolder(), "no-worker.cjs")).pipe(Layer.provide(TranscriptsRemembering)),
      ),
    ),
  )
})
