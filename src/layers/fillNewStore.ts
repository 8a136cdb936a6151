import { existsSync, rmSync, statSync } from "node:fs"
import { uptime } from "node:os"
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PersistenceError } from "../domain/StoreError.ts"
import { Home } from "../services/Home.ts"
import { makeHomeFolder } from "./files/homeFolder.ts"
import { holdLock } from "./files/lock.ts"
import { syncFile, syncFolder } from "./files/syncToDisk.ts"
import { publish, SIDE_FILES } from "./store/copyStoreFile.ts"

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, PersistenceError> =>
  Effect.try({ try: run, catch: (cause) => new PersistenceError({ operation, reason: "unavailable", cause }) })

const remove = (draft: string) =>
  attempt(`remove ${draft}`, () => {
    for (const suffix of ["", ...SIDE_FILES, "-journal"]) rmSync(draft + suffix, { force: true })
  })

/** Whether a draft may be gone on with. It is written without syncs: where the machine went down since, it may hold anything. */
const isOfThisStart = (draft: string) =>
  attempt(`look at ${draft}`, () => {
    const writtenAt = statSync(draft, { throwIfNoEntry: false })?.mtimeMs
    const now = Date.now()
    return writtenAt !== undefined && writtenAt >= now - uptime() * 1000 && writtenAt <= now
  })

/** Whether it got the store's name: another process may have been first. */
const publishDraft = (draft: string, database: string) =>
  attempt(`put the store in its place ${database}`, () => {
    syncFile(draft)
    try {
      publish(draft, database)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
      throw error
    }
    syncFolder(dirname(database))
    return true
  })

/**
 * Where there is no store yet, fills one that nobody else sees, and puts it in its place when `fill` is done: no hook waits
 * for it meanwhile. `fill` is given the home with the draft as its database, has to close it, and need not sync it. What a
 * process left that was ended is gone on with. None where there is a store, or another process makes one; then nothing is kept.
 */
export const fillNewStore = <A, E, R>(
  fill: Effect.Effect<A, E, R>,
): Effect.Effect<Option.Option<A>, E | PersistenceError, Home | Exclude<R, Home>> =>
  Effect.gen(function* () {
    const home = yield* Home
    const draft = `${home.database}.import`
    if (existsSync(home.database) && !existsSync(draft)) return Option.none()
    yield* attempt(`make the folder ${home.directory}`, () => makeHomeFolder(home.directory))
    yield* holdLock(`${draft}-lock`)
    // Also what is left of a draft without one: SQLite would play its journal into the next.
    if (!(yield* isOfThisStart(draft))) yield* remove(draft)
    if (!existsSync(home.database)) {
      const result = yield* fill.pipe(
        Effect.provideService(Home, { ...home, database: draft }),
        Effect.tapError(() => remove(draft)),
      )
      const isPublished = yield* publishDraft(draft, home.database)
      yield* remove(draft)
      return isPublished ? Option.some(result) : Option.none()
    }
    yield* remove(draft)
    return Option.none()
  }).pipe(
    Effect.catchTag("LockHeld", () => Effect.succeedNone),
    Effect.scoped,
  )
