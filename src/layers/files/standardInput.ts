import { fstatSync } from "node:fs"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** Standard input could not be read, or is longer than accepted. */
export class UnreadableInput extends Data.TaggedError("UnreadableInput")<{ readonly reason: string }> {
  override get message(): string {
    return `could not read standard input: ${this.reason}`
  }
}

export interface StandardInput {
  readonly bytes: Buffer
  /** False if the writer had not closed it when the time was up. */
  readonly closed: boolean
}

interface Listener {
  readonly onData: (chunk: Buffer) => void
  readonly onEnd: () => void
  readonly onError: (reason: string) => void
}

/** Starts to read; the result stops it. */
type Source = (listener: Listener) => () => void

const readStream: Source = ({ onData, onEnd, onError }) => {
  const input = process.stdin
  input.on("data", onData)
  input.on("end", onEnd)
  input.on("error", (error) => onError(error.message))
  // An open pipe would keep the process alive.
  return () => input.destroy()
}

interface Pipe {
  open(fd: number): number
  onread: (bytes: ArrayBuffer | undefined) => void
  readStart(): number
  close(): void
}

interface Bindings {
  (name: "pipe_wrap"): { readonly Pipe: new (type: number) => Pipe; readonly constants: { readonly SOCKET: number } }
  (name: "stream_wrap"): { readonly streamBaseState: Int32Array; readonly kReadBytesOrError: number }
  (name: "uv"): { readonly UV_EOF: number }
}

/**
 * Reads the pipe without `process.stdin`, which loads Node's network and stream modules: a fifth of a bare start of Node.
 * Throws, before anything is read, if Node does not offer its binding. Anything but a pipe would abort Node.
 * `process.binding` is deprecated (DEP0111). Remove this function, and use `readStream` always, when a Node that is supported
 * prints a warning for it or no longer has it, or when `process.stdin` costs less than a tenth of Node's start.
 */
const readPipe: Source = ({ onData, onEnd, onError }) => {
  const binding = (process as unknown as { readonly binding: Bindings }).binding
  const { Pipe, constants } = binding("pipe_wrap")
  const { streamBaseState, kReadBytesOrError } = binding("stream_wrap")
  const { UV_EOF } = binding("uv")
  const pipe = new Pipe(constants.SOCKET)
  pipe.onread = (bytes) => {
    const result = streamBaseState[kReadBytesOrError] ?? 0
    if (result > 0 && bytes !== undefined) onData(Buffer.from(bytes, 0, result))
    else if (result === UV_EOF) onEnd()
    else if (result < 0) onError(`system error ${-result}`)
  }
  const refused = pipe.open(0) || pipe.readStart()
  if (refused !== 0) throw new Error(`standard input is not a pipe: ${refused}`)
  return () => pipe.close()
}

const startReading: Source = (listener) => {
  try {
    const input = fstatSync(0)
    if (input.isFIFO() || input.isSocket()) return readPipe(listener)
  } catch {}
  return readStream(listener)
}

/** All of standard input, or what has come after `patienceMillis`. */
export const readStandardInput = (options: {
  readonly patienceMillis: number
  readonly limitBytes: number
}): Effect.Effect<StandardInput, UnreadableInput> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const end = (result: Effect.Effect<StandardInput, UnreadableInput>) => {
      clearTimeout(timer)
      stop()
      resume(result)
    }
    const finish = (closed: boolean) => end(Effect.succeed({ bytes: Buffer.concat(chunks), closed }))
    const fail = (reason: string) => end(Effect.fail(new UnreadableInput({ reason })))
    const timer = setTimeout(finish, options.patienceMillis, false)
    const stop = startReading({
      onData: (chunk) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > options.limitBytes) fail(`it is longer than ${options.limitBytes} bytes`)
      },
      onEnd: () => finish(true),
      onError: fail,
    })
  })
