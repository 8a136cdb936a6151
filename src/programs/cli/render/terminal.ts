import { Presets, SingleBar } from "cli-progress"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pc from "picocolors"
import { CLEAR_LINE, canClearLine } from "../../../layers/files/log.ts"
import { ascii, type Glyphs, unicode } from "./charts.ts"

/** What standard output can show. */
export interface OutputStyle {
  readonly colors: ReturnType<typeof pc.createColors>
  readonly glyphs: Glyphs
  /** On a terminal, what is too long for a line is cut. */
  readonly isTerminal: boolean
  /** How many characters fit on a line. */
  readonly width: number
}

/** Off a terminal sentences and charts are made for this. */
const STANDARD_WIDTH = 80

const variable = (name: string) => Config.string(name).pipe(Config.withDefault(""))

/** The first locale variable that is set decides. Without any, UTF-8 is assumed. */
const showsUnicode = Effect.gen(function* () {
  const terminal = yield* variable("TERM")
  const locale = (yield* variable("LC_ALL")) || (yield* variable("LC_CTYPE")) || (yield* variable("LANG"))
  // The console of Linux has no glyphs for them.
  if (terminal === "dumb" || terminal === "linux") return false
  return locale === "" || /utf-?8/i.test(locale)
})

/** Colour is for terminals only, and never under NO_COLOR (https://no-color.org). */
export const outputStyle: Effect.Effect<OutputStyle> = Effect.gen(function* () {
  const isTerminal = process.stdout.isTTY === true
  const isColored = isTerminal && (yield* variable("NO_COLOR")) === "" && (yield* variable("TERM")) !== "dumb"
  return {
    colors: pc.createColors(isColored),
    glyphs: (yield* showsUnicode) ? unicode : ascii,
    isTerminal,
    width: (isTerminal && process.stdout.columns) || STANDARD_WIDTH,
  }
}).pipe(Effect.orDie)

const MEGABYTE = 1e6

/** What a progress bar shows. */
export interface Shown {
  readonly doneBytes: number
  readonly bytes: number
  readonly text: string
}

/** A progress bar on standard error, if that is a terminal. It disappears when the scope closes. */
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

/** Shows a line on standard error while an effect runs, if that is a terminal, and then clears it. */
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
