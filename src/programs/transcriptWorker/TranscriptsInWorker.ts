import { Worker as Thread } from "node:worker_threads"
import * as Worker from "@effect/platform/Worker"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { UnreadableTranscript } from "../../domain/TranscriptFile.ts"
import { Transcripts } from "../../services/Transcripts.ts"
import { type ReadAnswer, type ReadRequest, unpackPart } from "./messages.ts"

/** So much is read before a worker would have started. */
const SMALL_BYTES = 50_000_000

/** A worker that has nothing to do is stopped after so long. */
const SPARE_TIME = "1 minute"

/** Requests that the worker has at once, so that it has enough to do while this thread is busy. */
const AHEAD = 64

/** Nearly all that it makes is garbage at once, and needs little room. */
const YOUNG_MEGABYTES = 6

/**
 * Reads transcripts in a thread of its own, while this one is busy with what was read. Few transcripts are read here.
 * `program` is the worker's file.
 */
export const TranscriptsInWorker = (program: string): Layer.Layer<Transcripts, never, Transcripts> =>
  Layer.scoped(
    Transcripts,
    Effect.gen(function* () {
      const here = yield* Transcripts
      const pool = yield* Worker.makePool<ReadRequest, ReadAnswer, { readonly path: string; readonly reason: string }>({
        minSize: 0,
        maxSize: 1,
        timeToLive: SPARE_TIME,
        concurrency: AHEAD,
      })

      const readThere: typeof here.readOn = (path, read) =>
        pool.executeEffect({ path, read: Option.getOrNull(read) }).pipe(
          Effect.map(unpackPart),
          Effect.mapError(
            (error) => new UnreadableTranscript({ path, reason: "path" in error ? error.reason : error.message }),
          ),
        )

      let isMuch = false
      return Transcripts.of({
        find: (paths) =>
          Effect.tap(here.find(paths), ({ files }) => {
            isMuch = files.reduce((sum, { size }) => sum + size, 0) > SMALL_BYTES
          }),
        readOn: (path, read) => (isMuch ? readThere : here.readOn)(path, read),
      })
    }),
  ).pipe(
    Layer.provide(
      NodeWorker.layer(() => new Thread(program, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES } })),
    ),
    Layer.orDie,
  )
