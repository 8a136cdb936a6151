import { Worker as Thread } from "node:worker_threads"
import * as Worker from "@effect/platform/Worker"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { UnreadableTranscript } from "../../domain/TranscriptFile.ts"
import { Transcripts } from "../../services/Transcripts.ts"
import { type ReadAnswer, type ReadRequest, unpackPart } from "./messages.ts"

/** So much is read before a worker would have started. */
const SMALL_BYTES = 50_000_000

/** A worker that has nothing to do is stopped after so long. */
const SPARE_TIME = "1 minute"

export interface WorkerOptions {
  /** The worker's file. */
  readonly program: string
  /**
   * What this thread does meanwhile: something else that keeps it busy, so that a worker needs enough to do until it asks
   * again; or nothing, so that it reads as well.
   */
  readonly meanwhile: "busy" | "reads"
}

/** Requests that a worker has at once. */
const AHEAD = { busy: 64, reads: 2 } as const

/** Reads transcripts in a thread of its own, beside this one. Few transcripts are read here. */
export const TranscriptsInWorkers = (options: WorkerOptions): Layer.Layer<Transcripts, never, Transcripts> =>
  Layer.scoped(
    Transcripts,
    Effect.gen(function* () {
      const here = yield* Transcripts
      const pool = yield* Worker.makePool<ReadRequest, ReadAnswer, { readonly path: string; readonly reason: string }>({
        minSize: 0,
        maxSize: 1,
        timeToLive: SPARE_TIME,
        concurrency: AHEAD[options.meanwhile],
      })

      const readThere: typeof here.readOn = (path, read) =>
        pool.executeEffect({ path, read: Option.getOrNull(read) }).pipe(
          Effect.map(unpackPart),
          Effect.mapError(
            (error) => new UnreadableTranscript({ path, reason: "path" in error ? error.reason : error.message }),
          ),
        )

      /** What has come from the worker meanwhile is taken before the next is read. */
      const readHere: typeof here.readOn = (path, read) => Effect.delay(here.readOn(path, read), 0)

      const readers = yield* Queue.unbounded<typeof here.readOn>()
      yield* Queue.offerAll(readers, Arr.replicate(readThere, AHEAD[options.meanwhile]))
      if (options.meanwhile === "reads") yield* Queue.offer(readers, readHere)

      let isMuch = false
      return Transcripts.of({
        find: (paths) =>
          Effect.tap(here.find(paths), ({ files }) => {
            isMuch = files.reduce((sum, { size }) => sum + size, 0) > SMALL_BYTES
          }),
        readOn: (path, read) =>
          isMuch
            ? Effect.acquireUseRelease(
                Queue.take(readers),
                (reader) => reader(path, read),
                (reader) => Queue.offer(readers, reader),
              )
            : here.readOn(path, read),
      })
    }),
  ).pipe(Layer.provide(NodeWorker.layer(() => new Thread(options.program))), Layer.orDie)
