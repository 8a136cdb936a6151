import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

/** A file that holds a transcript, as it was found. */
export interface TranscriptFile {
  /** Absolute. */
  readonly path: string
  readonly size: number
  /** Whole milliseconds since the epoch. */
  readonly modifiedAt: number
}

/** How far a transcript was read, and what is needed to read on from there. */
export const ReadTranscript = Schema.Struct({
  path: Schema.String,
  /** Of the file if it was read to its end; before that, of what is read. */
  size: Schema.Number,
  modifiedAt: Schema.Number,
  /** Up to the end of the last whole line that was read. */
  readBytes: Schema.Number,
  readLines: Schema.Number,
  /** Shows whether what was read of the file is still the same. */
  fingerprint: Schema.String,
  /** What the following lines depend on: calls and results that wait for each other, and where sessions began. */
  carried: Schema.String,
})
export type ReadTranscript = typeof ReadTranscript.Type

/** A file or folder that could not be read. */
export class UnreadableTranscript extends Data.TaggedError("UnreadableTranscript")<{
  readonly path: string
  readonly reason: string
}> {
  override get message(): string {
    return `could not read ${this.path}: ${this.reason}`
  }
}

/** There is nothing at a path where transcripts were to be looked for. */
export class NoSuchPath extends Data.TaggedError("NoSuchPath")<{ readonly path: string }> {
  override get message(): string {
    return `there is no file or folder ${this.path}`
  }
}

/** A file that was named as a transcript, and holds none: not one of its lines is JSON. */
export class NoTranscript extends Data.TaggedError("NoTranscript")<{ readonly path: string }> {
  override get message(): string {
    const accepted = "a transcript of Claude Code, a folder with transcripts, or a file that `tooltrail export` wrote"
    return `${this.path} is no transcript, since none of its lines is JSON; import takes ${accepted}`
  }
}

export interface FoundTranscripts {
  /** The oldest session first, and each session before its subagents: the first of several copies of a call is its own. */
  readonly files: ReadonlyArray<TranscriptFile>
  /** Where they were looked for. */
  readonly places: ReadonlyArray<string>
  /** What could not be looked into. */
  readonly unreadable: ReadonlyArray<UnreadableTranscript>
}

/** Where to read a transcript on; none if it is to be read from its start. */
export interface TranscriptPlace {
  readonly path: string
  readonly read: Option.Option<ReadTranscript>
}

/** A line that is left out. */
export interface BrokenLine {
  /** From 1. */
  readonly line: number
  readonly reason: "not JSON" | "dated more than a day ahead"
}

/** Some lines of a transcript. */
export interface TranscriptPart {
  /** The calls that are finished with these lines, in their order. */
  readonly calls: ReadonlyArray<ToolUse>
  readonly bytes: number
  readonly lines: number
  readonly brokenLines: ReadonlyArray<BrokenLine>
  /** Calls up to here that have no result. */
  readonly openCalls: number
  /** From where to read on. */
  readonly read: ReadTranscript
  /** Whether that is the end of the file, except for a line that is cut off. */
  readonly isEnd: boolean
}

/** The transcripts that Claude Code keeps of its sessions. */
export class Transcripts extends Context.Tag("tooltrail/services/Transcripts")<
  Transcripts,
  {
    /** The transcripts that are at these paths, files or folders; without a path, all that Claude Code keeps. */
    readonly find: (paths: ReadonlyArray<string>) => Effect.Effect<FoundTranscripts, NoSuchPath | PersistenceError>
    /**
     * Reads the next lines of a transcript, some megabytes of them: from where it was read to, or from its start if it was not
     * read yet or has been replaced.
     */
    readonly readOn: (place: TranscriptPlace) => Effect.Effect<TranscriptPart, UnreadableTranscript>
  }
>() {}

/** Remembers in the store how far each transcript was read, so that no line is read twice. */
export class TranscriptLedger extends Context.Tag("tooltrail/services/TranscriptLedger")<
  TranscriptLedger,
  {
    /** By path. */
    readonly getAll: Effect.Effect<ReadonlyMap<string, ReadTranscript>, PersistenceError>
    readonly remember: (read: ReadonlyArray<ReadTranscript>) => Effect.Effect<void, PersistenceError>
    /** The time before which calls of transcripts are left out, unless an import asks for them; none if all are wanted. */
    readonly historyFrom: Effect.Effect<Option.Option<Timestamp>, PersistenceError>
    /** Leaves calls before this time out from now on. */
    readonly leaveHistoryBefore: (time: Timestamp) => Effect.Effect<void, PersistenceError>
    /** Wants all calls from now on. Transcripts that were read without some of them are read again. */
    readonly takeHistory: Effect.Effect<void, PersistenceError>
  }
>() {}
