import * as Effect from "effect/Effect"

/** What of a stream is used; standard error has it. */
interface Stream {
  readonly isTTY?: boolean
  readonly write: (text: string) => unknown
}

const CLEAR_LINE = "\r\u001b[K"

/** Shows a line on standard error while an effect runs, where that is a terminal, and takes it away again. */
export const whileShowing =
  (line: string, stream: Stream = process.stderr) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    stream.isTTY === true
      ? Effect.acquireUseRelease(
          Effect.sync(() => stream.write(line)),
          () => effect,
          () => Effect.sync(() => stream.write(CLEAR_LINE)),
        )
      : effect
