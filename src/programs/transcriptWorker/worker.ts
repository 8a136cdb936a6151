import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TranscriptsRemembering } from "../../layers/agents/TranscriptsLive.ts"
import { StderrLogger } from "../../layers/files/StderrLogger.ts"
import { Transcripts } from "../../services/Transcripts.ts"
import { packReading, type ReadAnswer, type ReadRequest, unpackRequest } from "./messages.ts"

/** Reads transcripts for the thread that started this one. */
const Answering = Layer.unwrapEffect(
  Effect.map(Transcripts, ({ readOn }) =>
    WorkerRunner.layer<ReadRequest, never, never, ReadAnswer>((request) =>
      // One after the other, so that the calls of each are garbage before the next is read.
      Effect.forEach(unpackRequest(request), (place) => Effect.map(Effect.either(readOn(place)), packReading)),
    ),
  ),
)

WorkerRunner.launch(Answering.pipe(Layer.provide([NodeWorkerRunner.layer, TranscriptsRemembering, StderrLogger]))).pipe(
  NodeRuntime.runMain({ disablePrettyLogger: true }),
)
