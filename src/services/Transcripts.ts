import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type {
  NoSuchPath,
  ReadTranscript,
  TranscriptFile,
  UnreadableTranscript,
} from "../domain/agents/TranscriptFile.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

export interface FoundTranscripts {
  /** The oldest session first, and each session before its subagents: the first of several copies of a call is its own. */
  readonly files: ReadonlyArray<TranscriptFile>
  /** Where they were looked for. */
  readonly places: ReadonlyArray<string>
  /** What could not be looked into. */
  readonly unreadable: ReadonlyArray<UnreadableTranscript>
}

/** Where to read a transcript on, or, where it was not read yet, that it is to be read from its start. */
export interface TranscriptPlace {
  readonly path: string
  readonly read: Option.Option<ReadTranscript>
}

/** Some lines of a transcript. */
export interface TranscriptPart {
  readonly callCount: number
  /** The calls whose results are in these lines, in their order. They may be made anew whenever they are asked for. */
  readonly calls: ReadonlyArray<ToolUse>
  readonly bytes: number
  readonly lines: number
  /** The numbers, from 1, of lines that are no JSON. */
  readonly brokenLines: ReadonlyArray<number>
  /** Calls up to here that have no result. */
  readonly openCalls: number
  /** From where to read on. */
  readonly read: ReadTranscript
  /** Whether that is the end of the file, but for a line that is cut off. */
  readonly isEnd: boolean
}

/** The transcripts that Claude Code keeps of its sessions. */
export class Transcripts extends Context.Tag("tooltrail/services/Transcripts")<
  Transcripts,
  {
    /** The transcripts that are at these paths, files or folders; without a path, all that Claude Code keeps. */
    readonly find: (paths: ReadonlyArray<string>) => Effect.Effect<FoundTranscripts, NoSuchPath | PersistenceError>
    /**
     * Reads the next lines of a transcript, some megabytes of them: from where it was read to, or from its start where it was
     * not read yet or is not the file that it was.
     */
    readonly readOn: (place: TranscriptPlace) => Effect.Effect<TranscriptPart, UnreadableTranscript>
    /** The same of several transcripts, in their order. */
    readonly readEach: (
      places: ReadonlyArray<TranscriptPlace>,
    ) => Effect.Effect<ReadonlyArray<Either.Either<TranscriptPart, UnreadableTranscript>>>
  }
>() {}
