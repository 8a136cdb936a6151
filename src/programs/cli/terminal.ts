import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import pc from "picocolors"

/** What standard output can show. */
export interface OutputStyle {
  readonly colors: ReturnType<typeof pc.createColors>
}

/** Colour is for terminals only, and never under NO_COLOR (https://no-color.org). */
export const outputStyle: Effect.Effect<OutputStyle> = Effect.gen(function* () {
  const noColor = yield* Config.string("NO_COLOR").pipe(Config.withDefault(""))
  const terminal = yield* Config.string("TERM").pipe(Config.withDefault(""))
  return { colors: pc.createColors(process.stdout.isTTY === true && noColor === "" && terminal !== "dumb") }
}).pipe(Effect.orDie)
