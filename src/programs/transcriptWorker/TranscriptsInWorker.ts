import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { Worker as Thread } from "node:worker_threads"
import * as Worker from "@effect/platform/Worker"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { UnreadableTranscript } from "../../domain/TranscriptFile.ts"
import { Transcripts } from "../../services/Transcripts.ts"
import { packRequest, type ReadAnswer, type ReadRequest, unpackAnswer } from "./messages.ts"

/** So much is read before a worker has started. */
const FEW_BYTES = 50_000_000

/** A worker that has nothing to do is stopped after so long. */
const SPARE_TIME = "1 minute"

/** Requests that the worker has at once, so that it has enough to do while this thread is busy. */
const AHEAD = 12

/** Nearly all that it makes is garbage at once, and needs little room. */
const YOUNG_MEGABYTES = 6

/**
 * Reads transcripts in a thread of its own, while this one is busy with what was read; where that one has enough to do, this
 * one reads as well. This one alone reads while it starts, where there are not more than `fewBytes` to read, and where the
 * worker's file `program` is missing: a pool tries to start a worker for ever.
 */
export const TranscriptsInWorker = (
  program: string,
  fewBytes = FEW_BYTES,
): Layer.Layer<Transcripts, never, Transcripts> =>
  Layer.scoped(
    Transcripts,
    Effect.gen(function* () {
      const here = yield* Transcripts
      if (!existsSync(program)) return here
      const pool = yield* Worker.makePool<ReadRequest, ReadAnswer, never>({
        minSize: 0,
        maxSize: 1,
        timeToLive: SPARE_TIME,
        concurrency: AHEAD,
      })
      const permits = yield* Effect.makeSemaphore(AHEAD)
      const scope = yield* Effect.scope
      let isReady = false

      const readThere: typeof here.readEach = (places) =>
        pool.executeEffect(packRequest(places)).pipe(
          Effect.map(unpackAnswer),
          Effect.catchAll(({ message: reason }) =>
            Effect.succeed(places.map(({ path }) => Either.left(new UnreadableTranscript({ path, reason })))),
          ),
        )

      /** It is ready when it has answered, be it nothing. */
      const start = Effect.map(pool.executeEffect([]), () => {
        isReady = true
      }).pipe(Effect.ignoreLogged, Effect.forkIn(scope))

      const readEach: typeof here.readEach = (places) =>
        isReady
          ? Effect.flatMap(
              permits.withPermitsIfAvailable(1)(readThere(places)),
              Option.match({ onSome: Effect.succeed, onNone: () => here.readEach(places) }),
            )
          : here.readEach(places)

      return Transcripts.of({
        find: (paths) =>
          Effect.tap(here.find(paths), ({ files }) =>
            Effect.when(start, () => files.reduce((sum, { size }) => sum + size, 0) > fewBytes),
          ),
        readOn: (place) => Effect.flatMap(readEach([place]), ([part]) => part ?? Effect.dieMessage("no part was read")),
        readEach,
      })
    }),
  ).pipe(
    Layer.provide(
      NodeWorker.layer(
        () => new Thread(resolve(program), { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES } }),
      ),
    ),
    Layer.orDie,
  )
