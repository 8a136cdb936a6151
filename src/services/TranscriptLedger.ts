import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ReadTranscript } from "../domain/agents/TranscriptFile.ts"
import type { PersistenceError } from "../domain/StoreError.ts"

/** Remembers in the store how far each transcript was read, so that no line is read twice. */
export class TranscriptLedger extends Context.Tag("tooltrail/services/TranscriptLedger")<
  TranscriptLedger,
  {
    /** By path. */
    readonly getAll: Effect.Effect<ReadonlyMap<string, ReadTranscript>, PersistenceError>
    readonly remember: (read: ReadonlyArray<ReadTranscript>) => Effect.Effect<void, PersistenceError>
  }
>() {}
