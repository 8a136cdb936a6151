import { appendFileSync, renameSync, statSync, writeSync } from "node:fs"
import type * as Context from "effect/Context"
import * as Logger from "effect/Logger"
import type { Home } from "../../services/Home.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { logLine } from "./logLine.ts"

const LARGEST_LOG_BYTES = 1_000_000

const appendToLog = (home: Context.Tag.Service<Home>, line: string): void => {
  makeHomeFolder(home.directory)
  if ((statSync(home.log, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_LOG_BYTES) {
    renameSync(home.log, `${home.log}.1`)
  }
  appendFileSync(home.log, line, { mode: 0o600 })
}

/** Never throws: where nothing can be written there is nobody left to tell. */
const attempt = (write: () => void): void => {
  try {
    write()
  } catch {}
}

/** Logs each entry as one line on stderr, and in the home folder's log where that can be written. */
export const fileLogger = (home: Context.Tag.Service<Home>): Logger.Logger<unknown, void> =>
  Logger.make((entry) => {
    const line = `${entry.date.toISOString()} ${entry.logLevel.label} ${logLine(entry)}\n`
    attempt(() => writeSync(2, line))
    attempt(() => appendToLog(home, line))
  })
