import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { StderrLogger } from "../../layers/StderrLogger.ts"
import { TranscriptsRemembering } from "../../layers/TranscriptsLive.ts"
import { Transcripts } from "../../services/Transcripts.ts"
import { packPart, type ReadAnswer, type ReadRequest } from "./messages.ts"

/** Reads transcripts for the thread that started this one. */
const Answering = Layer.unwrapEffect(
  Effect.map(Transcripts, ({ readOn }) =>
    WorkerRunner.layer<ReadRequest, { readonly path: string; readonly reason: string }, never, ReadAnswer>(
      ({ path, read }) =>
        readOn(path, Option.fromNullable(read)).pipe(
          Effect.map(packPart),
          // An error's class does not get from thread to thread.
          Effect.mapError(({ path, reason }) => ({ path, reason })),
        ),
    ),
  ),
)

WorkerRunner.launch(Answering.pipe(Layer.provide([NodeWorkerRunner.layer, TranscriptsRemembering, StderrLogger]))).pipe(
  NodeRuntime.runMain({ disablePrettyLogger: true }),
)
