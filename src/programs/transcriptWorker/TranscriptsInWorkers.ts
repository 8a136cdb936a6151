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

/** A worker that is told to stop has this long before it is stopped. */
const SPARE_TIME = "1 minute"

/**
 * Reads transcripts in threads of their own, while this one goes on with something else. Few transcripts are read here.
 * `program` is the worker's file.
 */
export const TranscriptsInWorkers = (options: {
  readonly program: string
  readonly workers: number
}): Layer.Layer<Transcripts, never, Transcripts> =>
  Layer.scoped(
    Transcripts,
    Effect.gen(function* () {
      const here = yield* Transcripts
      const pool = yield* Worker.makePool<ReadRequest, ReadAnswer, { readonly path: string; readonly reason: string }>({
        minSize: 0,
        maxSize: options.workers,
        timeToLive: SPARE_TIME,
        concurrency: Number.MAX_SAFE_INTEGER,
      })
      let isMuch = false

      const readOnThere: typeof here.readOn = (path, read) =>
        pool.executeEffect({ path, read: Option.getOrNull(read) }).pipe(
          Effect.map(unpackPart),
          Effect.mapError((error) =>
            "path" in error
              ? new UnreadableTranscript(error)
              : new UnreadableTranscript({ path, reason: error.message }),
          ),
        )

      return Transcripts.of({
        find: (paths) =>
          Effect.tap(here.find(paths), ({ files }) => {
            isMuch = files.reduce((sum, { size }) => sum + size, 0) > SMALL_BYTES
          }),
        readOn: (path, read) => (isMuch ? readOnThere : here.readOn)(path, read),
      })
    }),
  ).pipe(Layer.provide(NodeWorker.layer(() => new Thread(options.program))), Layer.orDie)
