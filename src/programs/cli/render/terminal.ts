import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import pc from "picocolors"
import { ascii, type Glyphs, unicode } from "./charts.ts"

/** What standard output can show. */
export interface OutputStyle {
  readonly colors: ReturnType<typeof pc.createColors>
  readonly glyphs: Glyphs
  /** What is too long for a line is cut; off a terminal nothing is. */
  readonly isTerminal: boolean
  /** How many characters fit on a line. */
  readonly width: number
}

/** Off a terminal sentences and charts are made for this. */
const STANDARD_WIDTH = 80

const variable = (name: string) => Config.string(name).pipe(Config.withDefault(""))

/** What the first of the variables that are set says of the character set; where none is set, UTF-8 is taken for granted. */
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
