import { Presets, SingleBar } from "cli-progress"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const MEGABYTE = 1e6

/** What a bar shows beside how far it is. */
export interface Shown {
  readonly doneBytes: number
  readonly bytes: number
  readonly text: string
}

/** A bar on standard error, where that is a terminal; nothing elsewhere. It goes when the scope closes. */
export const progressBar: Effect.Effect<(shown: Shown) => Effect.Effect<void>, never, Scope.Scope> =
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new SingleBar(
          {
            format: "{bar} {percentage}%  {done} of {all} MB  {text}  {eta_formatted} left",
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: true,
            // The scope does that.
            gracefulExit: false,
          },
          Presets.shades_classic,
        ),
    ),
    (bar) => Effect.sync(() => bar.stop()),
  ).pipe(
    Effect.map(
      (bar) =>
        ({ doneBytes, bytes, text }) =>
          Effect.sync(() => {
            const payload = { text, done: (doneBytes / MEGABYTE).toFixed(0), all: (bytes / MEGABYTE).toFixed(0) }
            if (bar.isActive) bar.update(doneBytes, payload)
            else bar.start(bytes, doneBytes, payload)
            bar.setTotal(Math.max(bytes, doneBytes))
          }),
    ),
  )
