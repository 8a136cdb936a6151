import type { CallResult, RequestedCall, TranscriptEntry } from "../../domain/ClaudeCodeTranscript.ts"
import { LONGEST_PATH, LONGEST_TEXT, OptionalFields, targetOf, textProblem } from "../../domain/toolCallFields.ts"
import { wasm } from "./scanLine.wasm.ts"

/** Where the scanner keeps what it found, in words of 4 bytes; as in `scanLine.as.ts`. */
const FOUND_TYPE = 16
const FOUND_SESSION = 17
const FOUND_FOLDER = 19
const FOUND_SUBAGENT = 21
const FOUND_BLOCKS = 23
const FOUND_MILLIS = 24
const BLOCKS = 32
const BLOCK_WORDS = 7

/** The kinds of a block. In the place of the entry's type, the first is the assistant's and the second the user's. */
const REQUEST = 1
const SUCCESS = 2
const FAILURE = 3

/** Lines begin here; what is found lies before. */
const LINES = 65_536
const PAGE_BYTES = 65_536
/** The scanner looks at so many bytes at once. */
const WIDTH = 16

const none: ReadonlyArray<never> = []

/** The tools of whose input a part is looked at. */
const targeting = new Set(["Agent", "Task", "Skill"])

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

export interface LineScanner {
  /** Where the lines are to be put. */
  readonly buffer: Buffer
  /**
   * Reads the entry from `start` to `end` in the buffer, where the byte is that ends its line. Nothing where it is not sure:
   * then the line is to be parsed. Of a line that is JSON it says what `decodeEntry` says.
   */
  readonly scan: (start: number, end: number) => TranscriptEntry | undefined
}

let compiled: WebAssembly.Module | undefined

/** Makes a scanner of lines with room for so many bytes of them. */
export const makeLineScanner = (bytes: number): LineScanner => {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((LINES + bytes + WIDTH) / PAGE_BYTES) })
  compiled ??= new WebAssembly.Module(Buffer.from(wasm, "base64"))
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } })
  const scanLine = exports.scanLine as (at: number) => number
  const whole = Buffer.from(memory.buffer)
  const words = new Uint32Array(memory.buffer, 0, LINES / 4)
  const numbers = new Float64Array(memory.buffer, 0, LINES / 8)

  const sessionIds = new RepeatedText(LONGEST_TEXT)
  const folders = new RepeatedText(LONGEST_PATH)
  const subagents = new RepeatedText(LONGEST_TEXT)
  // Most results follow right upon their calls.
  const ids = new RecentTexts(1)
  const names = new RecentTexts(64)

  const word = (at: number) => words[at] as number

  /** Null where there is none, nothing where it is not usable. */
  const repeated = (texts: RepeatedText, found: number): string | null | undefined =>
    word(found) === 0 ? null : texts.read(whole, word(found), word(found + 1))

  /** Nothing where the input of a tool that runs another is no JSON. */
  const readRequest = (block: number): RequestedCall | undefined => {
    const toolName = names.read(whole, word(block + 3), word(block + 4))
    const toolUseId = ids.read(whole, word(block + 1), word(block + 2))
    if (!targeting.has(toolName)) return { toolUseId, toolName, target: null }
    try {
      const input =
        word(block + 5) === 0 ? undefined : JSON.parse(whole.toString("utf8", word(block + 5), word(block + 6)))
      return { toolUseId, toolName, target: targetOf(toolName, { input }, "input", new OptionalFields()) }
    } catch {
      return undefined
    }
  }

  const scan: LineScanner["scan"] = (start, end) => {
    if (scanLine(LINES + start) !== LINES + end) return undefined
    const sessionId = repeated(sessionIds, FOUND_SESSION)
    const cwd = repeated(folders, FOUND_FOLDER)
    const subagent = repeated(subagents, FOUND_SUBAGENT)
    if (sessionId === undefined || cwd === undefined || subagent === undefined) return undefined
    const type = word(FOUND_TYPE)
    let requested: Array<RequestedCall> | undefined
    let results: Array<CallResult> | undefined
    for (let n = 0, block = BLOCKS; n < word(FOUND_BLOCKS); n++, block += BLOCK_WORDS) {
      const kind = word(block)
      if (type === REQUEST && kind === REQUEST) {
        const call = readRequest(block)
        if (call === undefined) return undefined
        requested ??= []
        requested.push(call)
      } else if (type === SUCCESS && kind !== REQUEST) {
        results ??= []
        results.push({
          toolUseId: ids.read(whole, word(block + 1), word(block + 2)),
          failureKind: kind === FAILURE ? "error" : null,
        })
      }
    }
    const millis = numbers[FOUND_MILLIS / 2] as number
    return {
      sessionId,
      cwd,
      millis: Number.isNaN(millis) ? null : millis,
      subagent,
      requested: requested ?? none,
      results: results ?? none,
    }
  }

  return { buffer: whole.subarray(LINES, LINES + bytes), scan }
}
