import { constants, setPriority } from "node:os"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { fileLogger } from "../../layers/files/log.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { Home } from "../../services/Home.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { reconcile as addWhatIsMissing } from "../history/reconcile.ts"
import { explainDamage } from "../upkeep/doctor.ts"
import { described } from "./command.ts"
import { renderImport, sayWhereItStopped, showProgress, TranscriptRecording } from "./import.ts"
import { json } from "./options.ts"

/** Claude Code writes the last lines of a transcript after the session's last hook. */
const SETTLING = "2 seconds"

const background = Options.boolean("background").pipe(
  Options.withDescription("For the hook: start a little later, with low priority, and write only to the log."),
)

const Log = Layer.unwrapEffect(Effect.map(Home, (home) => Logger.replace(Logger.defaultLogger, fileLogger(home))))

const inForeground = (json: boolean) =>
  Effect.gen(function* () {
    const result = yield* Effect.flatMap(showProgress, addWhatIsMissing).pipe(Effect.scoped, sayWhereItStopped)
    yield* Console.log(json ? JSON.stringify(result.summary) : renderImport(result))
  })

/** Whoever holds the lock does what is to be done, and whoever removed the store meanwhile does not want it back. */
const inBackground = Effect.gen(function* () {
  yield* Effect.try(() => setPriority(constants.priority.PRIORITY_LOW)).pipe(
    Effect.catchAll((error) => Effect.logDebug(`the priority stays as it is: ${error.message}`)),
  )
  yield* Effect.sleep(SETTLING)
  const { identify } = yield* StoreFile
  yield* identify
  const listener = yield* showProgress
  yield* addWhatIsMissing(listener)
}).pipe(Effect.scoped, Effect.catchTags({ AlreadyReconciling: () => Effect.void, StoreMissing: () => Effect.void }))

export const reconcile = Command.make("reconcile", { background, json }, ({ background, json }) =>
  (background ? inBackground : inForeground(json)).pipe(
    Effect.provide(TranscriptRecording),
    Effect.catchTag("PersistenceError", explainDamage),
    Effect.catchTag("StoreMissing", Effect.die),
    Effect.provide(background ? Log : Layer.empty),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  ),
).pipe(
  described(
    "Adds the calls that transcripts hold and the hook missed. It runs by itself when a session of Claude Code begins or ends.",
    "tooltrail reconcile",
  ),
)
