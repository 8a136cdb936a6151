import * as Data from "effect/Data"
import * as Schema from "effect/Schema"

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
  /** Of the file when it was read to its end; before that, of what is read. */
  size: Schema.Number,
  modifiedAt: Schema.Number,
  /** Up to the end of the last whole line that was read. */
  readBytes: Schema.Number,
  readLines: Schema.Number,
  /** Tells whether what was read of the file still is as it was. */
  fingerprint: Schema.String,
  /** What the lines that follow depend on: calls without a result yet, and where sessions began. */
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

/** A file that was named for a transcript, and holds none: not one of its lines is JSON. */
export class NoTranscript extends Data.TaggedError("NoTranscript")<{ readonly path: string }> {
  override get message(): string {
    const accepted = "a transcript of Claude Code, a folder with transcripts, or a file that `tooltrail export` wrote"
    return `${this.path} is no transcript, since none of its lines is JSON; import takes ${accepted}`
  }
}
