import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { Worker as Thread } from "node:worker_threads"
import * as Worker from "@effect/platform/Worker"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { UnreadableTranscript } from "../../domain/agents/TranscriptFile.ts"
import { type TranscriptPlace, Transcripts } from "../../services/Transcripts.ts"
import { packRequest, type ReadAnswer, type ReadRequest, unpackAnswer } from "./messages.ts"

/** To read so much takes less time than to start a worker. */
const FEW_BYTES = 50_000_000

/** Requests that the worker has at once, so that it has enough to do while this thread is busy. */
const AHEAD = 12

/** Requests that it has at once where this thread reads as well. */
const AHEAD_OF_A_READER = 8

/** Nearly all that it makes is garbage at once, and needs little room. */
const YOUNG_MEGABYTES = 9

/** Where this thread does something else than read for more of the time, it gains nothing by reading as well. */
const BUSY = 0.7

/**
 * Tells whether this thread has been busy with something else than the reading that is told of, from now on. What it reads while
 * the worker starts is not: then there is nobody to wait for.
 */
const makeOccupation = () => {
  const start = performance.eventLoopUtilization()
  let readMillis = 0
  return {
    isBusy: () => {
      const { active, idle } = performance.eventLoopUtilization(start)
      return active - readMillis > BUSY * (active + idle)
    },
    whileReading: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.map(Effect.timed(effect), ([took, result]) => {
        readMillis += Duration.toMillis(took)
        return result
      }),
  }
}

type Pool = Worker.WorkerPool<ReadRequest, ReadAnswer, never>

/**
 * Reads transcripts in a thread of its own, while this one is busy with what was read; where it has time, it reads as well.
 * This one alone reads while that one starts, which it does where there are more than `fewBytes` to read, and where it does
 * not start: its file `program` may be missing.
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
      const inTurn = (yield* Effect.makeSemaphore(1)).withPermits(1)
      const context = yield* Effect.context<Worker.WorkerManager | Worker.Spawner | Scope.Scope>()
      const started = yield* Deferred.make<Pool>()

      // To make a pool is to start its worker, and to wait for it.
      const start = yield* Worker.makePool<ReadRequest, ReadAnswer, never>({ size: 1, concurrency: AHEAD }).pipe(
        Effect.tap((pool) => Deferred.succeed(started, pool)),
        Effect.ignoreLogged,
        Effect.forkScoped,
        Effect.provide(context),
        Effect.once,
      )

      const readThere = (worker: Pool, places: ReadonlyArray<TranscriptPlace>) =>
        worker.executeEffect(packRequest(places)).pipe(
          Effect.map(unpackAnswer),
          Effect.catchAll(({ message: reason }) =>
            Effect.succeed(places.map(({ path }) => Either.left(new UnreadableTranscript({ path, reason })))),
          ),
        )

      let inWorker = 0
      const { isBusy, whileReading } = makeOccupation()

      /** With the worker; or here, where that has enough to do. */
      const readWith = (worker: Pool, places: ReadonlyArray<TranscriptPlace>) =>
        Effect.suspend(() =>
          inWorker >= (isBusy() ? AHEAD : AHEAD_OF_A_READER)
            ? inTurn(whileReading(here.readEach(places)))
            : Effect.acquireUseRelease(
                Effect.sync(() => inWorker++),
                () => readThere(worker, places),
                () => Effect.sync(() => inWorker--),
              ),
        )

      /**
       * While the worker starts. That it has started is heard between two turns; what is read at the same time is in memory at
       * the same time.
       */
      const readMeanwhile = (places: ReadonlyArray<TranscriptPlace>) =>
        inTurn(
          Effect.zipRight(
            Effect.sleep(0),
            Effect.suspend(() => here.readEach(places)),
          ),
        )

      const readEach: typeof here.readEach = (places) =>
        Effect.flatten(
          Effect.raceFirst(
            Effect.map(Deferred.await(started), (worker) => readWith(worker, places)),
            Effect.map(readMeanwhile(places), Effect.succeed),
          ),
        )

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
