import type { CallResult, RequestedCall, TranscriptEntry } from "../domain/ClaudeCodeTranscript.ts"
import { LONGEST_PATH, LONGEST_TEXT, textProblem } from "../domain/toolCallFields.ts"

const TAB = 0x09
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const DELETE = 0x7f

/** Beyond so many bytes a native search for the end of a text is faster than a loop. */
const NEAR = 48
const DEEPEST = 64

/** In the place of a position: the line is to be parsed. */
const UNSURE = -1

const ascii = (text: string) => Buffer.from(text, "latin1")
const TYPE = ascii("type")
const CWD = ascii("cwd")
const MESSAGE = ascii("message")
const CONTENT = ascii("content")
const SESSION_ID = ascii("sessionId")
const TIMESTAMP = ascii("timestamp")
const SUBAGENT = ascii("attributionAgent")
const ID = ascii("id")
const NAME = ascii("name")
const TOOL_USE_ID = ascii("tool_use_id")
const IS_ERROR = ascii("is_error")
const ASSISTANT = ascii("assistant")
const USER = ascii("user")
const TOOL_USE = ascii("tool_use")
const TOOL_RESULT = ascii("tool_result")
const TRUE = ascii("true")
const FALSE = ascii("false")
const NULL = ascii("null")

/** The tools of whose input a part is looked at. */
const targeting = new Set(["Agent", "Task", "Skill"])

/** What the texts of refusals begin with; and what may stand for a space, or for any character. */
const undecided = new Set(["T", "[", "\\"].map((character) => character.charCodeAt(0)))

const none: ReadonlyArray<never> = []

/** The bytes that are no plain part of a text: control characters, quotes and backslashes. */
const isSpecial = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < SPACE || byte === QUOTE || byte === BACKSLASH ? 1 : 0,
)

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= ZERO && byte <= ZERO + 9

const isSame = (text: Buffer, length: number, bytes: Buffer, from: number): boolean => {
  for (let n = 0; n < length; n++) if (bytes[from + n] !== text[n]) return false
  return true
}

/** A text that comes again in most lines, so that it is decoded once. */
class RepeatedText {
  #bytes: Buffer = Buffer.alloc(0)
  #text: string | undefined
  readonly #longest: number

  constructor(longest: number) {
    this.#longest = longest
  }

  /** Nothing where it is no name, id or path. */
  read(bytes: Buffer, from: number, to: number): string | undefined {
    const last = this.#bytes
    if (to - from === last.length && isSame(last, last.length, bytes, from)) return this.#text
    this.#bytes = Buffer.from(bytes.subarray(from, to))
    const text = this.#bytes.toString("utf8")
    this.#text = textProblem(text, this.#longest) === undefined ? text : undefined
    return this.#text
  }
}

/** A text in printable ASCII that comes again soon, so that it is decoded once. It may be any of some texts at a time. */
class RecentTexts {
  readonly #places: ReadonlyArray<{ bytes: Buffer; length: number; text: string }>

  constructor(places: number) {
    this.#places = Array.from({ length: places }, () => ({ bytes: Buffer.alloc(LONGEST_TEXT), length: 0, text: "" }))
  }

  read(bytes: Buffer, from: number, to: number): string {
    const length = to - from
    const place = this.#places[(length + (bytes[from] as number) + 3 * (bytes[to - 1] as number)) % this.#places.length]
    if (place === undefined) return bytes.toString("latin1", from, to)
    if (length !== place.length || !isSame(place.bytes, length, bytes, from)) {
      bytes.copy(place.bytes, 0, from, to)
      place.length = length
      place.text = bytes.toString("latin1", from, to)
    }
    return place.text
  }
}

/** Reads the entry in these bytes, where it is sure of it. At `end` there must be the byte that ends the line. */
export type ScanLine = (bytes: Buffer, start: number, end: number) => TranscriptEntry | undefined

/**
 * Reads what a line says about tool calls without parsing all of it: it goes through the JSON's structure, and takes the
 * texts that are not looked at from quote to quote. It knows only what nearly all lines hold; any other is to be parsed. Of
 * a line that is JSON it says what `decodeEntry` says. Of one that is not, it can be sure only where nothing but a character
 * within a text is wrong.
 *
 * It runs over every byte, so it is written for V8: a closure's variables in the place of fields and of results in objects.
 */
export const makeLineScanner = (): ScanLine => {
  let bytes: Buffer = Buffer.alloc(0)
  const nesting = new Uint8Array(DEEPEST)

  // The text that was read last, without its quotes.
  let from = 0
  let to = 0
  let isPrintable = true
  /** Whether the member that was read last is its object's last. */
  let isClosed = false

  // What is read of the entry.
  let type = "other" as "assistant" | "user" | "other"
  let sessionId: string | null = null
  let cwd: string | null = null
  let millis: number | null = null
  let subagent: string | null = null
  let requested: Array<RequestedCall> | undefined
  let results: Array<CallResult> | undefined

  // What is read of a block of its message.
  let blockType: "tool_use" | "tool_result" | "other" = "other"
  let id = ""
  let name = ""
  let toolUseId = ""
  let isError = false
  let contentAt = 0

  const sessionIds = new RepeatedText(LONGEST_TEXT)
  const folders = new RepeatedText(LONGEST_PATH)
  const subagents = new RepeatedText(LONGEST_TEXT)
  // Most results follow right upon their calls.
  const ids = new RecentTexts(1)
  const names = new RecentTexts(64)
  let repeated: Buffer = Buffer.alloc(0)
  let repeatedSession: string | null = null
  let repeatedCwd: string | null = null
  let lastDay = 0
  let dayMillis = Number.NaN

  const skipSpace = (at: number): number => {
    while (bytes[at] === SPACE || bytes[at] === TAB) at++
    return at
  }

  /** Whether this is the text that was read last. */
  const is = (text: Buffer): boolean => to - from === text.length && isSame(text, text.length, bytes, from)

  /** Reads a text that has no escapes. */
  const readText = (at: number): number => {
    const line = bytes
    if (line[at] !== QUOTE) return UNSURE
    from = ++at
    let highest = 0
    for (let byte = line[at] as number; isSpecial[byte] === 0; byte = line[++at] as number) {
      if (byte > highest) highest = byte
    }
    isPrintable = highest < DELETE
    to = at
    return line[at] === QUOTE ? at + 1 : UNSURE
  }

  /** The text that was read last, as a name or an id; an empty one where it is none, or not in ASCII. */
  const readName = (recent: RecentTexts): string =>
    isPrintable && to - from <= LONGEST_TEXT ? recent.read(bytes, from, to) : ""

  /** Goes over a text. */
  const skipText = (at: number): number => {
    const line = bytes
    if (line[at] !== QUOTE) return UNSURE
    at++
    for (const near = at + NEAR; at < near; at++) {
      const byte = line[at] as number
      if (isSpecial[byte] === 0) continue
      if (byte === QUOTE) return at + 1
      if (byte !== BACKSLASH || (line[++at] as number) < SPACE) return UNSURE
    }
    for (;;) {
      const quote = line.indexOf(QUOTE, at)
      if (quote < 0) return UNSURE
      let slashes = 0
      while (quote - slashes > at && line[quote - slashes - 1] === BACKSLASH) slashes++
      at = quote + 1
      if ((slashes & 1) === 0) return at
    }
  }

  const skipWord = (at: number, word: Buffer): number => {
    for (let n = 0; n < word.length; n++) if (bytes[at + n] !== word[n]) return UNSURE
    return at + word.length
  }

  const skipDigits = (at: number): number => {
    if (!isDigit(bytes[at])) return UNSURE
    while (isDigit(bytes[at])) at++
    return at
  }

  /** Goes over a number. */
  const skipNumber = (at: number): number => {
    if (bytes[at] === MINUS) at++
    at = bytes[at] === ZERO ? at + 1 : skipDigits(at)
    if (at !== UNSURE && bytes[at] === POINT) at = skipDigits(at + 1)
    if (at === UNSURE || (bytes[at] !== 0x65 && bytes[at] !== 0x45)) return at
    at++
    return skipDigits(bytes[at] === MINUS || bytes[at] === PLUS ? at + 1 : at)
  }

  const skipScalar = (at: number): number => {
    switch (bytes[at]) {
      case QUOTE:
        return skipText(at)
      case TRUE[0]:
        return skipWord(at, TRUE)
      case FALSE[0]:
        return skipWord(at, FALSE)
      case NULL[0]:
        return skipWord(at, NULL)
      default:
        return skipNumber(at)
    }
  }

  /** From behind a key to the value. */
  const skipColon = (at: number): number => {
    if (at === UNSURE) return UNSURE
    if (bytes[at] !== COLON) at = skipSpace(at)
    if (bytes[at] !== COLON) return UNSURE
    return (bytes[++at] as number) > SPACE ? at : skipSpace(at)
  }

  /** Goes over any value. */
  const skipValue = (at: number): number => {
    let depth = 0
    while (at !== UNSURE) {
      const byte = bytes[at] as number
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (depth === DEEPEST) return UNSURE
        nesting[depth++] = byte
        at = skipSpace(at + 1)
        // The code of what closes is that of what opens, and two.
        if (bytes[at] !== byte + 2) {
          if (byte === OPEN_BRACE) at = skipColon(skipText(at))
          continue
        }
      } else {
        at = byte === QUOTE ? skipText(at) : skipScalar(at)
        if (depth === 0) return at
        if ((bytes[at] as number) <= SPACE) at = skipSpace(at)
      }
      // Behind a value, or before the end of an empty object or list.
      while (bytes[at] === (nesting[depth - 1] as number) + 2) {
        at++
        if (--depth === 0) return at
        at = skipSpace(at)
      }
      if (at === UNSURE || bytes[at] !== COMMA) return UNSURE
      at = skipSpace(at + 1)
      if (nesting[depth - 1] === OPEN_BRACE) at = skipColon(skipText(at))
    }
    return UNSURE
  }

  /** Reads a member of an object, to the next one or behind the object. `readValue` reads the value of the last key. */
  const readMember = (at: number, readValue: (at: number) => number): number => {
    at = skipColon(readText(at))
    if (at === UNSURE) return UNSURE
    at = readValue(at)
    if (at === UNSURE) return UNSURE
    if ((bytes[at] as number) <= SPACE) at = skipSpace(at)
    isClosed = bytes[at] === CLOSE_BRACE
    if (isClosed) return at + 1
    return bytes[at] === COMMA ? skipSpace(at + 1) : UNSURE
  }

  const readMembers = (at: number, readValue: (at: number) => number): number => {
    do at = readMember(at, readValue)
    while (at !== UNSURE && !isClosed)
    return at
  }

  /** Reads an object from behind its brace. */
  const readObject = (at: number, readValue: (at: number) => number): number => {
    at = skipSpace(at)
    return bytes[at] === CLOSE_BRACE ? at + 1 : readMembers(at, readValue)
  }

  const twoDigits = (at: number): number =>
    isDigit(bytes[at]) && isDigit(bytes[at + 1])
      ? ((bytes[at] as number) - ZERO) * 10 + ((bytes[at + 1] as number) - ZERO)
      : Number.NaN

  /** Reads a time that is written as `2026-01-31T23:59:59.999Z`. */
  const readTime = (at: number): number => {
    const end = readText(at)
    if (end === UNSURE || to - from !== 24) return UNSURE
    if (bytes[from + 4] !== MINUS || bytes[from + 7] !== MINUS || bytes[from + 10] !== 0x54) return UNSURE
    if (bytes[from + 13] !== COLON || bytes[from + 16] !== COLON) return UNSURE
    if (bytes[from + 19] !== POINT || bytes[from + 23] !== 0x5a) return UNSURE
    const year = twoDigits(from) * 100 + twoDigits(from + 2)
    const day = (year * 100 + twoDigits(from + 5)) * 100 + twoDigits(from + 8)
    if (Number.isNaN(day)) return UNSURE
    if (day !== lastDay) {
      lastDay = day
      dayMillis = Date.parse(bytes.toString("latin1", from, from + 10))
    }
    const hour = twoDigits(from + 11)
    const minute = twoDigits(from + 14)
    const second = twoDigits(from + 17)
    const fraction = twoDigits(from + 20) * 10 + (twoDigits(from + 21) % 10)
    const time = dayMillis + ((hour * 60 + minute) * 60 + second) * 1000 + fraction
    if (!(hour < 24 && minute < 60 && second < 60) || Number.isNaN(time)) return UNSURE
    millis = time
    return end
  }

  const readOfBlock = (at: number): number => {
    switch (to - from) {
      case ID.length:
        if (!is(ID)) break
        at = readText(at)
        if (at !== UNSURE) id = readName(ids)
        return at
      case NAME.length:
        if (is(NAME)) {
          at = readText(at)
          if (at !== UNSURE) name = readName(names)
          return at
        }
        if (!is(TYPE)) break
        at = readText(at)
        blockType = is(TOOL_USE) ? "tool_use" : is(TOOL_RESULT) ? "tool_result" : "other"
        return at
      case CONTENT.length:
        if (is(CONTENT)) contentAt = at
        break
      case IS_ERROR.length:
        if (is(IS_ERROR)) isError = bytes[at] === TRUE[0]
        break
      case TOOL_USE_ID.length:
        if (!is(TOOL_USE_ID)) break
        at = readText(at)
        if (at !== UNSURE) toolUseId = readName(ids)
        return at
    }
    return skipValue(at)
  }

  /** Whether the content of a result is a text that begins as no refusal does. */
  const isNoRefusal = (): boolean => {
    const first = bytes[contentAt + 1] as number
    return bytes[contentAt] === QUOTE && first > SPACE && first < DELETE && !undecided.has(first)
  }

  const readBlock = (at: number): number => {
    blockType = "other"
    id = ""
    name = ""
    toolUseId = ""
    isError = false
    contentAt = at
    at = readObject(at, readOfBlock)
    if (at === UNSURE || blockType === "other") return at
    if (blockType === "tool_result") {
      if (toolUseId === "" || (isError && !isNoRefusal())) return UNSURE
      results ??= []
      results.push({ toolUseId, failureKind: isError ? "error" : null })
      return at
    }
    if (id === "" || name === "" || targeting.has(name)) return UNSURE
    requested ??= []
    requested.push({ toolUseId: id, toolName: name, target: null })
    return at
  }

  const readOfMessage = (at: number): number => {
    if (!is(CONTENT)) return skipValue(at)
    requested = undefined
    results = undefined
    if (bytes[at] !== OPEN_BRACKET) return skipValue(at)
    at = skipSpace(at + 1)
    if (bytes[at] === OPEN_BRACKET + 2) return at + 1
    for (;;) {
      at = bytes[at] === OPEN_BRACE ? readBlock(at + 1) : skipValue(at)
      if (at === UNSURE) return UNSURE
      at = skipSpace(at)
      if (bytes[at] === OPEN_BRACKET + 2) return at + 1
      if (bytes[at] !== COMMA) return UNSURE
      at = skipSpace(at + 1)
    }
  }

  const readOfEntry = (at: number): number => {
    switch (to - from) {
      case CWD.length: {
        if (!is(CWD)) break
        at = readText(at)
        const folder = at === UNSURE ? undefined : folders.read(bytes, from, to)
        if (folder === undefined) return UNSURE
        cwd = folder
        return at
      }
      case TYPE.length:
        if (!is(TYPE)) break
        at = readText(at)
        type = is(ASSISTANT) ? "assistant" : is(USER) ? "user" : "other"
        return at
      case MESSAGE.length:
        if (!is(MESSAGE)) break
        requested = undefined
        results = undefined
        return bytes[at] === OPEN_BRACE ? readObject(at + 1, readOfMessage) : skipValue(at)
      case SESSION_ID.length: {
        if (is(TIMESTAMP)) return readTime(at)
        if (!is(SESSION_ID)) break
        at = readText(at)
        const session = at === UNSURE ? undefined : sessionIds.read(bytes, from, to)
        if (session === undefined) return UNSURE
        sessionId = session
        return at
      }
      case SUBAGENT.length: {
        if (!is(SUBAGENT)) break
        at = readText(at)
        const speaker = at === UNSURE ? undefined : subagents.read(bytes, from, to)
        if (speaker === undefined) return UNSURE
        subagent = speaker
        return at
      }
    }
    return skipValue(at)
  }

  /** Reads the members that may be the same in the next line, and remembers them. */
  const learnRepeated = (at: number): number => {
    const start = at
    const [firstSession, firstCwd] = [sessionId, cwd]
    sessionId = null
    cwd = null
    while (at !== UNSURE && !isClosed) {
      if (readText(at) !== UNSURE && (is(TYPE) || is(MESSAGE) || is(TIMESTAMP) || is(SUBAGENT))) break
      at = readMember(at, readOfEntry)
    }
    if (at === UNSURE) return UNSURE
    repeated = Buffer.from(bytes.subarray(start, isClosed ? start : at))
    repeatedSession = sessionId
    repeatedCwd = cwd
    sessionId ??= firstSession
    cwd ??= firstCwd
    return at
  }

  /** Reads an entry. Behind its first member most entries go on as the one before, and that is not read again. */
  const readEntry = (at: number): number => {
    at = skipSpace(at)
    if (bytes[at] === CLOSE_BRACE) return at + 1
    at = readMember(at, readOfEntry)
    if (at === UNSURE || isClosed) return at
    const end = at + repeated.length
    if (end > at && end <= bytes.length && bytes.compare(repeated, 0, repeated.length, at, end) === 0) {
      sessionId = repeatedSession ?? sessionId
      cwd = repeatedCwd ?? cwd
      at = end
    } else {
      at = learnRepeated(at)
      if (at === UNSURE || isClosed) return at
    }
    return readMembers(at, readOfEntry)
  }

  const reset = () => {
    type = "other"
    sessionId = null
    cwd = null
    millis = null
    subagent = null
    requested = undefined
    results = undefined
  }

  return (line, start, end) => {
    bytes = line
    reset()
    if (bytes[start] !== OPEN_BRACE || readEntry(start + 1) !== end) return undefined
    return {
      sessionId,
      cwd,
      millis,
      subagent,
      requested: type === "assistant" && requested !== undefined ? requested : none,
      results: type === "user" && results !== undefined ? results : none,
    }
  }
}
