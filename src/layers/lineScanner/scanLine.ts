import type { CallResult, RequestedCall, TranscriptEntry } from "../../domain/agents/claudeCodeTranscript.ts"
import { LONGEST_PATH, LONGEST_TEXT, OptionalFields, targetOf, textProblem } from "../../domain/agents/payload.ts"
import { wasm } from "./compiledScanner.ts"

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

const isSame = (bytes: Buffer, first: number, second: number, length: number): boolean => {
  for (let n = 0; n < length; n++) if (bytes[first + n] !== bytes[second + n]) return false
  return true
}

type Decode = (bytes: Buffer, from: number, to: number) => string | undefined

const decodeAscii: Decode = (bytes, from, to) => bytes.toString("latin1", from, to)

/** Nothing where it is no name, id or path. */
const decodeUsable =
  (longest: number): Decode =>
  (bytes, from, to) => {
    const text = bytes.toString("utf8", from, to)
    return textProblem(text, longest) === undefined ? text : undefined
  }

/** A text that often is that of the line before, so that it is decoded once. */
class RepeatedText {
  #from = 0
  #to = -1
  #text: string | undefined
  readonly #decode: Decode

  constructor(decode: Decode) {
    this.#decode = decode
  }

  read(bytes: Buffer, from: number, to: number): string | undefined {
    const length = to - from
    if (from !== this.#from && (length !== this.#to - this.#from || !isSame(bytes, this.#from, from, length))) {
      this.#text = this.#decode(bytes, from, to)
    }
    this.#from = from
    this.#to = to
    return this.#text
  }

  /** To be called when there are other bytes. */
  forget(): void {
    this.#from = 0
    this.#to = -1
  }
}

/** So many names of tools are known at a time. */
const KNOWN_NAMES = 64

/** Names of tools, each decoded once while it is known. */
class KnownNames {
  readonly #places = Array.from({ length: KNOWN_NAMES }, () => ({
    bytes: Buffer.alloc(LONGEST_TEXT),
    length: 0,
    name: "",
  }))

  read(bytes: Buffer, from: number, to: number): string {
    const length = to - from
    const hash = length + (bytes[from] as number) + 3 * (bytes[to - 1] as number)
    const place = this.#places[hash % KNOWN_NAMES] as { bytes: Buffer; length: number; name: string }
    let same = length === place.length ? length : 0
    while (same > 0 && place.bytes[length - same] === bytes[from + length - same]) same--
    if (same > 0 || length !== place.length) {
      bytes.copy(place.bytes, 0, from, to)
      place.length = length
      place.name = bytes.toString("latin1", from, to)
    }
    return place.name
  }
}

export interface LineScanner {
  /** Where the lines are to be put. */
  readonly buffer: Buffer
  /**
   * Reads the entry from `start` to `end` in the buffer, where the byte is that ends its line. The lines of a filled buffer
   * are read in their order, from its first on. Nothing where it is not sure:
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

  const sessionIds = new RepeatedText(decodeUsable(LONGEST_TEXT))
  const folders = new RepeatedText(decodeUsable(LONGEST_PATH))
  const subagents = new RepeatedText(decodeUsable(LONGEST_TEXT))
  // Most results follow right upon their calls.
  const ids = new RepeatedText(decodeAscii)
  const names = new KnownNames()
  let lastStart = -1

  const word = (at: number) => words[at] as number

  /** Null where there is none, nothing where it is not usable. */
  const repeated = (texts: RepeatedText, found: number): string | null | undefined =>
    word(found) === 0 ? null : texts.read(whole, word(found), word(found + 1))

  const idAt = (block: number): string => ids.read(whole, word(block + 1), word(block + 2)) as string

  /** Nothing where the input of a tool that runs another is no JSON. */
  const readRequest = (block: number): RequestedCall | undefined => {
    const toolName = names.read(whole, word(block + 3), word(block + 4))
    const toolUseId = idAt(block)
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
    if (start <= lastStart) for (const texts of [sessionIds, folders, subagents, ids]) texts.forget()
    lastStart = start
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
          toolUseId: idAt(block),
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
