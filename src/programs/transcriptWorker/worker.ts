import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { StderrLogger } from "../../layers/StderrLogger.ts"
import { TranscriptsRemembering } from "../../layers/TranscriptsLive.ts"
import { Transcripts } from "../../services/Transcripts.ts"
import { packAnswer, type ReadAnswer, type ReadRequest, unpackRequest } from "./messages.ts"

/** Reads transcripts for the thread that started this one. */
const Answering = Layer.unwrapEffect(
  Effect.map(Transcripts, ({ readEach }) =>
    WorkerRunner.layer<ReadRequest, never, never, ReadAnswer>((request) =>
      Effect.map(readEach(unpackRequest(request)), packAnswer),
    ),
  ),
)

WorkerRunner.launch(Answering.pipe(Layer.provide([NodeWorkerRunner.layer, TranscriptsRemembering, StderrLogger]))).pipe(
  NodeRuntime.runMain({ disablePrettyLogger: true }),
)
