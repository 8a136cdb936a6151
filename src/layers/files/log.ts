import { appendFileSync, renameSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { printable } from "../../domain/text.ts"
import type { Home } from "../../services/Home.ts"
import { makeHomeFolder } from "./HomeLive.ts"
import { OLD_LOG } from "./ownedFiles.ts"

const LARGEST_LOG_BYTES = 1_000_000
const LONGEST_LINE = 2000

/** Moves to the beginning of the line and clears it. */
export const CLEAR_LINE = "\r\u001b[K"

/** Whether standard error is a terminal that can clear a line. */
export const canClearLine = (): boolean => process.stderr.isTTY === true && process.env.TERM !== "dumb"

const textOf = (part: unknown): string =>
  typeof part === "string" ? part : part instanceof Error ? part.message : JSON.stringify(part)

/** One log entry as one line, whatever its message holds. */
const logLine = ({ cause, message }: Pick<Logger.Logger.Options<unknown>, "cause" | "message">): string => {
  const parts = (Array.isArray(message) ? message : [message]).map(textOf)
  if (!Cause.isEmpty(cause))
    parts.push(
      Cause.prettyErrors(cause)
        .map((error) => error.message)
        .join("; "),
    )
  return printable(parts.join(": ")).slice(0, LONGEST_LINE)
}

/** Logs each entry as one line on stderr, in the place of a progress line that is shown there. */
export const StderrLogger: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make((entry) => void writeSync(2, `${canClearLine() ? CLEAR_LINE : ""}tooltrail: ${logLine(entry)}\n`)),
)

const appendToLog = (home: Context.Tag.Service<Home>, line: string): void => {
  makeHomeFolder(home.directory)
  if ((statSync(home.log, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_LOG_BYTES) {
    renameSync(home.log, join(home.directory, OLD_LOG))
  }
  appendFileSync(home.log, line, { mode: 0o600 })
}

/** Never throws: if nothing can be written, there is nobody left to tell. */
const attempt = (write: () => void): void => {
  try {
    write()
  } catch {}
}

/** Logs each entry as one line on stderr, and in the home folder's log if that can be written. */
export const fileLogger = (home: Context.Tag.Service<Home>): Logger.Logger<unknown, void> =>
  Logger.make((entry) => {
    const line = `${entry.date.toISOString()} ${entry.logLevel.label} ${logLine(entry)}\n`
    attempt(() => writeSync(2, line))
    attempt(() => appendToLog(home, line))
  })
