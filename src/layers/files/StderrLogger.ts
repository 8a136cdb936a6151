import { writeSync } from "node:fs"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { logLine } from "./logLine.ts"
import { CLEAR_LINE, canClearLine } from "./standardError.ts"

/** Logs each entry as one line on stderr, for the person at the terminal, in the place of a line that is shown there for a while. */
export const StderrLogger: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make((entry) => void writeSync(2, `${canClearLine() ? CLEAR_LINE : ""}tooltrail: ${logLine(entry)}\n`)),
)
