import { writeSync } from "node:fs"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { logLine } from "./logLine.ts"

/** Logs each entry as one line on stderr, for the person at the terminal. */
export const StderrLogger: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make((entry) => void writeSync(2, `tooltrail: ${logLine(entry)}\n`)),
)
