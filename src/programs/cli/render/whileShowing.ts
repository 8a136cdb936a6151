import * as Effect from "effect/Effect"
import { CLEAR_LINE, canClearLine } from "../../../layers/files/standardError.ts"

interface Stream {
  /** Whether it is a terminal that can clear a line. */
  readonly isTTY: boolean
  readonly write: (text: string) => unknown
}

const standardError: Stream = {
  get isTTY() {
    return canClearLine()
  },
  write: (text) => process.stderr.write(text),
}

/** Shows a line on standard error while an effect runs, where that is a terminal, and takes it away again. */
export const whileShowing =
  (line: string, stream: Stream = standardError) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    stream.isTTY
      ? Effect.acquireUseRelease(
          Effect.sync(() => stream.write(line)),
          () => effect,
          () => Effect.sync(() => stream.write(CLEAR_LINE)),
        )
      : effect
