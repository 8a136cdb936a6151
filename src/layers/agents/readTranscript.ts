import { createHash } from "node:crypto"
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import * as Option from "effect/Option"
import {
  type CallResult,
  callResult,
  decodeEntry,
  millisOf,
  type RequestedCall,
  requestedCall,
  type TranscriptCall,
  type TranscriptEntry,
  TranscriptFollower,
} from "../../domain/agents/claudeCodeTranscript.ts"
import { hasTarget, LONGEST_PATH, LONGEST_TEXT, OptionalFields } from "../../domain/agents/payload.ts"
import type { BrokenLine, ReadTranscript, TranscriptPart } from "../../services/Transcripts.ts"

// A line may have half a megabyte, most of it results, but only some ten short texts in it matter here. Parsing all of it takes
// three times as long as passing over its values byte by byte and decoding only those few. That works since a quote inside a text
// has a backslash before it, and since no byte of another character in UTF-8 is that of a quote or a bracket. A line that holds
// anything unusual (spaces between values, a key with an escape, damage) is parsed as a whole.

const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/** What a byte does outside of texts. All others are in no JSON, or end the line. */
const [BEGINS_TEXT, OPENS, CLOSES, SEPARATES, IS_PART] = [1, 2, 3, 4, 5]
const roles = new Uint8Array(256)
const setRole = (characters: string, role: number) => {
  for (const byte of Buffer.from(characters)) roles[byte] = role
}
setRole('"', BEGINS_TEXT)
setRole("{[", OPENS)
setRole("}]", CLOSES)
setRole(",", SEPARATES)
setRole(":+-.0123456789Eaeflnrstu", IS_PART)

/** So many bytes of a text are looked at here; then Node's search takes over, which is faster but slow to begin. */
const SHORT_TEXT = 24

/** The line has to be parsed as a whole. */
const unsure = new Error("unsure")

/** The place of the quote that ends a text which begins before `at`. */
const endOfText = (bytes: Buffer, at: number): number => {
  for (;;) {
    const near = at + SHORT_TEXT
    while (at < near && bytes[at] !== QUOTE) at++
    if (at === near) at = bytes.indexOf(QUOTE, at)
    if (at < 0) throw unsure
    let backslashes = 0
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at
    at++
  }
}

/** The place behind a value that begins at `at`. */
const endOfValue = (bytes: Buffer, at: number): number => {
  for (let depth = 0; ; at++) {
    switch (roles[bytes[at] as number]) {
      case BEGINS_TEXT:
        at = endOfText(bytes, at + 1)
        break
      case OPENS:
        depth++
        break
      case CLOSES:
        if (depth-- === 0) return at
        break
      case SEPARATES:
        if (depth === 0) return at
        break
      case IS_PART:
        break
      default:
        throw unsure
    }
  }
}

const isSame = (bytes: Buffer, from: number, to: number, other: Buffer): boolean => {
  if (to - from !== other.length) return false
  for (let n = 0; n < other.length; n++) if (bytes[from + n] !== other[n]) return false
  return true
}

/** Where the values of an object's keys begin and end: two numbers for each key that is looked for, 0 if it is not there. */
type Places = Array<number>

const noPlaces = (): Places => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

interface Line {
  readonly bytes: Buffer
  /** The blocks of its message, as they are found. */
  readonly blocks: Array<Places>
}

/** Passes over the value that begins at a place, and returns the place behind it. */
type Pass = (line: Line, at: number) => number

const passValue: Pass = ({ bytes }, at) => endOfValue(bytes, at)

interface Key {
  readonly name: Buffer
  readonly pass: Pass
}

const key = (name: string, pass: Pass = passValue): Key => ({ name: Buffer.from(name), pass })

/** Passes over the object that begins at `at`, and notes where the values of these keys are: if there are two, of the last. */
const passObject = (keys: ReadonlyArray<Key>, places: Places, line: Line, at: number): number => {
  const { bytes } = line
  if (bytes[at + 1] === CLOSE_BRACE) return at + 2
  do {
    if (bytes[at + 1] !== QUOTE) throw unsure
    const from = at + 2
    let to = from
    while (bytes[to] !== QUOTE) {
      // A key with an escape may be any. The line may end here, and the buffer with it.
      if (bytes[to] === BACKSLASH || !((bytes[to] as number) >= SPACE)) throw unsure
      to++
    }
    if (bytes[to + 1] !== COLON) throw unsure
    let known = 0
    while (known < keys.length && !isSame(bytes, from, to, (keys[known] as Key).name)) known++
    const value = to + 2
    if (known === keys.length) at = endOfValue(bytes, value)
    else {
      at = (keys[known] as Key).pass(line, value)
      places[2 * known] = value
      places[2 * known + 1] = at
    }
  } while (bytes[at] === COMMA)
  if (bytes[at] !== CLOSE_BRACE) throw unsure
  return at + 1
}

const [TYPE, ID, NAME, TOOL_USE_ID, IS_ERROR, INPUT, CONTENT] = [0, 1, 2, 3, 4, 5, 6]
const blockKeys = ["type", "id", "name", "tool_use_id", "is_error", "input", "content"].map((name) => key(name))

const passBlocks: Pass = (line, at) => {
  const { bytes, blocks } = line
  blocks.length = 0
  if (bytes[at] !== OPEN_BRACKET) return endOfValue(bytes, at)
  if (bytes[at + 1] === CLOSE_BRACKET) return at + 2
  do {
    if (bytes[at + 1] === OPEN_BRACE) {
      const places = noPlaces()
      at = passObject(blockKeys, places, line, at + 1)
      blocks.push(places)
    } else at = endOfValue(bytes, at + 1)
  } while (bytes[at] === COMMA)
  if (bytes[at] !== CLOSE_BRACKET) throw unsure
  return at + 1
}

const messageKeys = [key("content", passBlocks)]

const passMessage: Pass = (line, at) => {
  line.blocks.length = 0
  return line.bytes[at] === OPEN_BRACE ? passObject(messageKeys, noPlaces(), line, at) : passValue(line, at)
}

const [SESSION, FOLDER, TIME, SUBAGENT] = [1, 2, 3, 4]
const entryKeys = [
  ...["type", "sessionId", "cwd", "timestamp", "attributionAgent"].map((name) => key(name)),
  key("message", passMessage),
]

const hasEscape = (bytes: Buffer, from: number, to: number): boolean => {
  for (let at = from; at < to; at++) if (bytes[at] === BACKSLASH) return true
  return false
}

/** The value of a key; nothing if it is not there. */
const valueOf = (bytes: Buffer, places: Places, key: number): unknown => {
  const from = places[2 * key] as number
  const to = places[2 * key + 1] as number
  if (to === 0) return undefined
  return bytes[from] === QUOTE && !hasEscape(bytes, from, to)
    ? bytes.toString(undefined, from + 1, to - 1)
    : JSON.parse(bytes.toString(undefined, from, to))
}

/** How long the value of a key is, in bytes; null if it is not there. */
const lengthOf = (places: Places, key: number): number | null => {
  const from = places[2 * key] as number
  const to = places[2 * key + 1] as number
  return to === 0 ? null : to - from
}

/** Whether the value of a key is this text, which is given with its quotes. */
const isText = (bytes: Buffer, places: Places, key: number, text: Buffer): boolean => {
  const from = places[2 * key] as number
  const to = places[2 * key + 1] as number
  if (isSame(bytes, from, to, text)) return true
  if (hasEscape(bytes, from, to)) throw unsure
  return false
}

/** Reads the text of a key that is nearly always that of the line before. */
const makeReadRepeated = (key: number, longest: number) => {
  let last = Buffer.alloc(0)
  let text: string | null = null
  return (bytes: Buffer, places: Places): string | null => {
    const from = places[2 * key] as number
    const to = places[2 * key + 1] as number
    if (to === 0) return null
    if (!isSame(bytes, from, to, last)) {
      text = new OptionalFields().text({ value: valueOf(bytes, places, key) }, "value", longest)
      last = Buffer.from(bytes.subarray(from, to))
    }
    return text
  }
}

const readSession = makeReadRepeated(SESSION, LONGEST_TEXT)
const readFolder = makeReadRepeated(FOLDER, LONGEST_PATH)
const readSubagent = makeReadRepeated(SUBAGENT, LONGEST_TEXT)

const [ASSISTANT, USER] = [Buffer.from('"assistant"'), Buffer.from('"user"')]
const [TOOL_USE, TOOL_RESULT] = [Buffer.from('"tool_use"'), Buffer.from('"tool_result"')]
const TRUE = Buffer.from("true")

const readRequest = (bytes: Buffer, block: Places): RequestedCall | undefined => {
  const name = valueOf(bytes, block, NAME)
  const input = hasTarget(name) ? valueOf(bytes, block, INPUT) : undefined
  return requestedCall({ id: valueOf(bytes, block, ID), name, input }, lengthOf(block, INPUT))
}

const readResult = (bytes: Buffer, block: Places): CallResult | undefined => {
  const tool_use_id = valueOf(bytes, block, TOOL_USE_ID)
  const outputBytes = lengthOf(block, CONTENT)
  return isText(bytes, block, IS_ERROR, TRUE)
    ? callResult({ tool_use_id, is_error: true, content: valueOf(bytes, block, CONTENT) }, outputBytes)
    : callResult({ tool_use_id }, outputBytes)
}

/** Reads an entry as `decodeEntry` does after `JSON.parse`; none if it is not sure. */
export const readEntry = Option.liftThrowable((bytes: Buffer, from: number, to: number): TranscriptEntry => {
  const places = noPlaces()
  const blocks: Array<Places> = []
  const line = { bytes, blocks }
  if (bytes[from] !== OPEN_BRACE || passObject(entryKeys, places, line, from) !== to) throw unsure
  const requested: Array<RequestedCall> = []
  const results: Array<CallResult> = []
  if (isText(bytes, places, TYPE, ASSISTANT)) {
    for (const block of blocks) {
      const call = isText(bytes, block, TYPE, TOOL_USE) ? readRequest(bytes, block) : undefined
      if (call !== undefined) requested.push(call)
    }
  } else if (isText(bytes, places, TYPE, USER)) {
    for (const block of blocks) {
      const result = isText(bytes, block, TYPE, TOOL_RESULT) ? readResult(bytes, block) : undefined
      if (result !== undefined) results.push(result)
    }
  }
  return {
    sessionId: readSession(bytes, places),
    cwd: readFolder(bytes, places),
    millis: requested.length + results.length === 0 ? null : millisOf(valueOf(bytes, places, TIME)),
    subagent: readSubagent(bytes, places),
    requested,
    results,
  }
})

const parse = Option.liftThrowable((bytes: Buffer, from: number, to: number): unknown =>
  JSON.parse(bytes.toString("utf8", from, to)),
)

/** Decodes the line from `from` to `to`, where the byte is that ends it; none if it is not JSON. */
export const decodeLine = (bytes: Buffer, from: number, to: number): Option.Option<TranscriptEntry> =>
  Option.orElse(readEntry(bytes, from, to), () => Option.map(parse(bytes, from, to), decodeEntry))

/** So much is read at once, and more only if a line is longer. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** A longer line is not read, nor what follows it. What an API takes in one request is half of that. */
const LONGEST_LINE_BYTES = 64 * 1024 * 1024

/** A file is known again by so much of its beginning, and by so much before where reading it stopped. */
const FINGERPRINT_BYTES = 1024

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
  readonly buffer: Buffer
  /** How many bytes of the buffer are whole lines. */
  readonly end: number
  /** Whether no whole line follows. */
  readonly isEnd: boolean
}

/** A last line may be whole without its end: what is cut off is no JSON. */
const endWithLastLine = (buffer: Buffer, end: number, filled: number): number => {
  if (filled === end || Option.isNone(parse(buffer, end, filled))) return end
  buffer[filled] = NEWLINE
  return filled
}

/** Reads whole lines from a position on, at least one if there is one. */
const readWholeLines = (file: number, chunk: Buffer, position: number): WholeLines => {
  let buffer = chunk
  let filled = fill(file, buffer, 0, position)
  for (;;) {
    const end = buffer.subarray(0, filled).lastIndexOf(NEWLINE) + 1
    if (filled < buffer.length) return { buffer, end: endWithLastLine(buffer, end, filled), isEnd: true }
    if (end > 0) return { buffer, end, isEnd: false }
    if (buffer.length >= LONGEST_LINE_BYTES) throw new Error("the next line is longer than 64 MB")
    const larger = Buffer.alloc(buffer.length * 4)
    buffer.copy(larger)
    buffer = larger
    filled = fill(file, buffer, filled, position)
  }
}

/** Has every line followed that is not empty. The number of a broken line counts from the first of these. */
const followLines = ({ buffer, end }: WholeLines, follower: TranscriptFollower, latest: number) => {
  const calls: Array<TranscriptCall> = []
  const broken: Array<BrokenLine> = []
  let lines = 0
  let ends = 0
  for (let start = 0; start < end; ) {
    const newline = buffer.indexOf(NEWLINE, start)
    const lineEnd = buffer[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline
    if (lineEnd > start) {
      lines++
      const entry = Option.getOrUndefined(decodeLine(buffer, start, lineEnd))
      if (entry === undefined) broken.push({ line: ends + 1, reason: "not JSON" })
      else if (entry.millis !== null && entry.millis > latest) {
        broken.push({ line: ends + 1, reason: "dated more than a day ahead" })
      } else follower.follow(entry, calls)
    }
    if (newline < end) ends++
    start = newline + 1
  }
  return { calls, broken, bytes: end, lines, ends }
}

export interface ReadOptions {
  readonly known: Option.Option<ReadTranscript>
  /** Who speaks, if the entries do not say it. */
  readonly subagent: string | null
  /** A later time, in epoch milliseconds, is a mistake. */
  readonly latest: number
}

export interface ReadLines extends Omit<TranscriptPart, "calls"> {
  readonly calls: ReadonlyArray<TranscriptCall>
}

/** Makes what reads transcripts, one after the other. It throws the system's errors. */
export const makeTranscriptReader = () => {
  const chunk = Buffer.alloc(CHUNK_BYTES)

  const readOpen = (file: number, path: string, { known, subagent, latest }: ReadOptions): ReadLines => {
    const { size, mtimeMs } = fstatSync(file)
    const { readBytes, readLines, follower } = Option.getOrElse(
      Option.flatMap(known, (read) => resume(file, size, read, subagent)),
      () => ({ readBytes: 0, readLines: 0, follower: TranscriptFollower.begin(subagent) }),
    )
    const whole = readWholeLines(file, chunk, readBytes)
    const { calls, broken, bytes, lines, ends } = followLines(whole, follower, latest)
    return {
      calls,
      bytes,
      lines,
      brokenLines: broken.map(({ line, reason }) => ({ line: readLines + line, reason })),
      openCalls: follower.openCalls,
      read: {
        path,
        // A file that is not read to its end is not the one that was read, even if it stays as it is.
        size: whole.isEnd ? size : readBytes + bytes,
        modifiedAt: Math.floor(mtimeMs),
        readBytes: readBytes + bytes,
        readLines: readLines + ends,
        fingerprint: fingerprintOf(file, readBytes + bytes),
        carried: follower.carried,
      },
      isEnd: whole.isEnd,
    }
  }

  return (path: string, options: ReadOptions): ReadLines => {
    const file = openSync(path, "r")
    try {
      return readOpen(file, path, options)
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
    const filled = fill(file, buffer, 0, 0)
    for (let start = 0; start < filled; ) {
      const end = buffer.indexOf(NEWLINE, start)
      const entry = Option.getOrUndefined(decodeLine(buffer, start, end < 0 ? filled : end))
      if (entry?.sessionId === sessionId && entry.cwd !== null) return entry.cwd
      start = end < 0 ? filled : end + 1
    }
    return null
  } finally {
    closeSync(file)
  }
}
