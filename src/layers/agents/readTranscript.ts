import { createHash } from "node:crypto"
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import * as Option from "effect/Option"
import {
  decodeEntry,
  type TranscriptCall,
  type TranscriptEntry,
  TranscriptFollower,
} from "../../domain/agents/claudeCodeTranscript.ts"
import type { ReadTranscript } from "../../domain/agents/TranscriptFile.ts"
import { type LineScanner, makeLineScanner } from "../lineScanner/scanLine.ts"

/** So much is read at once, and more only where a line is longer. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** A longer line is broken. What an API takes in one request is half of that. */
const LONGEST_LINE_BYTES = 64 * 1024 * 1024

/** A file is known again by so much of its beginning, and by so much before where reading it stopped. */
const FINGERPRINT_BYTES = 1024

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

export interface ReadLines {
  readonly calls: ReadonlyArray<TranscriptCall>
  readonly bytes: number
  readonly lines: number
  readonly brokenLines: ReadonlyArray<number>
  readonly openCalls: number
  readonly read: ReadTranscript
  readonly isEnd: boolean
}

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** Reads on until the buffer is full or the file ends. The buffer begins at `position` and holds `filled` bytes already. */
const fill = (file: number, buffer: Buffer, filled: number, position: number): number => {
  while (filled < buffer.length) {
    const bytes = readSync(file, buffer, filled, buffer.length - filled, position + filled)
    if (bytes === 0) break
    filled += bytes
  }
  return filled
}

const fingerprintOf = (file: number, bytes: number): string => {
  const buffer = Buffer.alloc(Math.min(bytes, FINGERPRINT_BYTES))
  const partAt = (position: number) => buffer.subarray(0, fill(file, buffer, 0, position))
  return createHash("sha256")
    .update(partAt(0))
    .update(partAt(bytes - buffer.length))
    .digest("hex")
    .slice(0, 16)
}

/** Where to read on, if the file still is the one that was read. */
const resume = (file: number, size: number, read: ReadTranscript, subagent: string | null) =>
  size >= read.readBytes && fingerprintOf(file, read.readBytes) === read.fingerprint
    ? Option.map(TranscriptFollower.resume(read.carried, subagent), (follower) => ({ ...read, follower }))
    : Option.none()

interface WholeLines {
  readonly scanner: LineScanner
  /** How many bytes of the buffer are whole lines. */
  readonly end: number
  /** Whether no whole line follows. */
  readonly isEnd: boolean
}

/** The position behind the line that goes on at `position`; none where the file ends before. */
const skipLine = (file: number, buffer: Buffer, position: number): Option.Option<number> => {
  for (;;) {
    const filled = fill(file, buffer, 0, position)
    const newline = buffer.subarray(0, filled).indexOf(NEWLINE)
    if (newline >= 0) return Option.some(position + newline + 1)
    if (filled < buffer.length) return Option.none()
    position += filled
  }
}

/** A last line may be whole without its end: what is cut off is no JSON. */
const endWithLastLine = (buffer: Buffer, end: number, filled: number): number => {
  if (filled === end || Option.isNone(parse(buffer.toString("utf8", end, filled)))) return end
  buffer[filled] = NEWLINE
  return filled
}

/** Reads whole lines from a position on, at least one where there is one; none where the next is too long. */
const readWholeLines = (file: number, chunk: LineScanner, position: number): Option.Option<WholeLines> => {
  let scanner = chunk
  let filled = fill(file, scanner.buffer, 0, position)
  for (;;) {
    const { buffer } = scanner
    const end = buffer.subarray(0, filled).lastIndexOf(NEWLINE) + 1
    const isEnd = filled < buffer.length
    if (isEnd) return Option.some({ scanner, end: endWithLastLine(buffer, end, filled), isEnd })
    if (end > 0) return Option.some({ scanner, end, isEnd })
    if (buffer.length >= LONGEST_LINE_BYTES) return Option.none()
    scanner = makeLineScanner(buffer.length * 4)
    buffer.copy(scanner.buffer)
    filled = fill(file, scanner.buffer, filled, position)
  }
}

interface FollowedLines {
  readonly calls: ReadonlyArray<TranscriptCall>
  /** How many lines end before each that is broken. */
  readonly broken: ReadonlyArray<number>
  readonly bytes: number
  readonly lines: number
  readonly ends: number
}

/** Makes what reads transcripts, one after the other. It throws the system's errors. */
export const makeTranscriptReader = () => {
  const chunk = makeLineScanner(CHUNK_BYTES)

  const decodeLine = ({ scan, buffer }: LineScanner, start: number, end: number): TranscriptEntry | undefined =>
    scan(start, end) ?? Option.getOrUndefined(Option.map(parse(buffer.toString("utf8", start, end)), decodeEntry))

  /** Has every line followed, but for empty ones. */
  const followLines = ({ scanner, end }: WholeLines, follower: TranscriptFollower): FollowedLines => {
    const { buffer } = scanner
    const calls: Array<TranscriptCall> = []
    const broken: Array<number> = []
    let lines = 0
    let ends = 0
    for (let start = 0; start < end; ) {
      const newline = buffer.indexOf(NEWLINE, start)
      const lineEnd = buffer[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline
      if (lineEnd > start) {
        lines++
        const entry = decodeLine(scanner, start, lineEnd)
        if (entry === undefined) broken.push(ends)
        else follower.follow(entry, calls)
      }
      if (newline < end) ends++
      start = newline + 1
    }
    return { calls, broken, bytes: end, lines, ends }
  }

  const readOpen = (file: number, path: string, known: Option.Option<ReadTranscript>, subagent: string | null) => {
    const { size, mtimeMs } = fstatSync(file)
    const { readBytes, readLines, follower } = Option.getOrElse(
      Option.flatMap(known, (read) => resume(file, size, read, subagent)),
      () => ({ readBytes: 0, readLines: 0, follower: TranscriptFollower.begin(subagent) }),
    )
    const part = ({ calls, broken, bytes, lines, ends }: FollowedLines, isEnd: boolean): ReadLines => ({
      calls,
      bytes,
      lines,
      brokenLines: broken.map((before) => readLines + before + 1),
      openCalls: follower.openCalls,
      read: {
        path,
        // A file that is not read to its end is not the one that was read, also where it stays as it is.
        size: isEnd ? size : readBytes + bytes,
        modifiedAt: Math.floor(mtimeMs),
        readBytes: readBytes + bytes,
        readLines: readLines + ends,
        fingerprint: fingerprintOf(file, readBytes + bytes),
        carried: follower.carried,
      },
      isEnd,
    })
    return Option.match(readWholeLines(file, chunk, readBytes), {
      onSome: (whole) => part(followLines(whole, follower), whole.isEnd),
      onNone: () =>
        Option.match(skipLine(file, chunk.buffer, readBytes), {
          onSome: (next) => part({ calls: [], broken: [0], bytes: next - readBytes, lines: 1, ends: 1 }, false),
          onNone: () => part({ calls: [], broken: [], bytes: 0, lines: 0, ends: 0 }, true),
        }),
    })
  }

  return (path: string, known: Option.Option<ReadTranscript>, subagent: string | null): ReadLines => {
    const file = openSync(path, "r")
    try {
      return readOpen(file, path, known, subagent)
    } finally {
      closeSync(file)
    }
  }
}

/** So much of a transcript is looked at for where its session began. */
const BEGINNING_BYTES = 1024 * 1024

/** The working folder of a session's first entry in its transcript that has one. Throws the system's errors. */
export const readSessionStart = (path: string, sessionId: string): string | null => {
  const file = openSync(path, "r")
  try {
    const buffer = Buffer.alloc(Math.min(fstatSync(file).size, BEGINNING_BYTES))
    const lines = buffer.toString("utf8", 0, fill(file, buffer, 0, 0)).split("\n")
    for (const line of lines) {
      const entry = Option.map(parse(line), decodeEntry)
      if (Option.isSome(entry) && entry.value.sessionId === sessionId && entry.value.cwd !== null)
        return entry.value.cwd
    }
    return null
  } finally {
    closeSync(file)
  }
}
