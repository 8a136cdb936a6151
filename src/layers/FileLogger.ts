import { appendFileSync, renameSync, statSync, writeSync } from "node:fs"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { Home } from "../services/Home.ts"
import { HomeLive } from "./HomeLive.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { logLine } from "./logLine.ts"

const LARGEST_LOG_BYTES = 1_000_000

const appendToLog = (home: Context.Tag.Service<typeof Home>, line: string): void => {
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

const make = Effect.map(Effect.option(Effect.provide(Home, HomeLive)), (home) =>
  Logger.make<unknown, void>((entry) => {
    const line = `${entry.date.toISOString()} ${entry.logLevel.label} ${logLine(entry)}\n`
    attempt(() => writeSync(2, line))
    if (Option.isSome(home)) attempt(() => appendToLog(home.value, line))
  }),
)

/** Logs, in place of every other logger, each entry as one line on stderr, and in the home folder's log where that can be written. */
export const FileLogger: Layer.Layer<never> = Layer.scopedDiscard(
  Effect.flatMap(make, (logger) => Effect.locallyScoped(FiberRef.currentLoggers, HashSet.make(logger))),
)
