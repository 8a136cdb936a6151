import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join, sep } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { Spool } from "../../services/Spool.ts"
import { onDemand } from "../store/onDemand.ts"
import { isAbandoned, writeAside } from "./atomicFile.ts"
import { makeHomeFolder } from "./HomeLive.ts"
import { finalName, isSpooledCall, isSpooledDraft, RESERVE, spoolFile, UNREADABLE } from "./ownedFiles.ts"

const toolUses = onDemand(() => import("../../domain/ToolUse.ts"))

// The reserve is a file that only takes up room, so that a full disk has some for the spool.

const RESERVE_BYTES = 1024 * 1024
/** Room for sixteen calls on a disk with blocks of 4 KiB. */
const STEP_BYTES = 64 * 1024

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Makes the reserve whole, or leaves it as it was and throws the system's error. */
const fillReserve = (path: string): void => {
  const size = sizeOf(path)
  if (size >= RESERVE_BYTES) return
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    for (let filled = size; filled < RESERVE_BYTES; ) {
      // No file system can compress these bytes or leave them out.
      const noise = crypto.getRandomValues(new Uint8Array(Math.min(STEP_BYTES, RESERVE_BYTES - filled)))
      filled += writeSync(file, noise, 0, noise.length, filled)
    }
  } catch (error) {
    truncateSync(path, size)
    throw error
  } finally {
    closeSync(file)
  }
}

/** Gives a part of the reserve back to the disk; false if there is none left. Throws the system's error. */
const shrinkReserve = (path: string): boolean => {
  const size = sizeOf(path)
  if (size === 0) return false
  truncateSync(path, Math.max(0, size - STEP_BYTES))
  return true
}

const hasCode = (error: unknown, ...codes: ReadonlyArray<string>) =>
  error instanceof Error && "code" in error && codes.includes(String(error.code))

/** Turns what file operations throw into a `PersistenceError`; a missing file gives `whenMissing`. */
const attempt = <A>(operation: string, run: () => A, whenMissing?: () => A): Effect.Effect<A, PersistenceError> => {
  const trying = Effect.try({
    try: run,
    catch: (cause) => new PersistenceError({ operation, reason: "unavailable", cause }),
  })
  return whenMissing === undefined
    ? trying
    : Effect.catchIf(
        trying,
        ({ cause }) => hasCode(cause, "ENOENT"),
        () => Effect.sync(whenMissing),
      )
}

/** For many files at once: an effect for each would take too long. */
const unlessMissing = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined
    throw error
  }
}

/** The spool of a home folder. */
export const makeSpool = Effect.gen(function* () {
  const home = yield* Home
  const aside = join(home.spool, UNREADABLE)
  const reserve = join(home.spool, RESERVE)
  const pathOf = (name: string) => home.spool + sep + name

  const namesIn = (folder: string, isWanted: (name: string) => boolean) =>
    attempt(
      `look into ${folder}`,
      () => readdirSync(folder).filter(isWanted).sort(),
      () => [],
    )

  const makeRoom = attempt("use the reserve", () => shrinkReserve(reserve)).pipe(Effect.orElseSucceed(() => false))

  return Spool.of({
    append: Effect.fn("Spool.append")(function* (use) {
      const path = pathOf(spoolFile(yield* Clock.currentTimeMillis))
      const write = attempt(`keep the call in the spool ${home.spool}`, () => {
        makeHomeFolder(home.directory)
        mkdirSync(home.spool, { recursive: true, mode: 0o700 })
        writeAside(path, 0o600, (file) => writeFileSync(file, `${JSON.stringify(use)}\n`))
      })
      // A loop and not `Effect.retry`, which would bring schedules into the hook's start-up.
      const writeSomehow: Effect.Effect<void, PersistenceError> = Effect.catchIf(
        write,
        ({ cause }) => hasCode(cause, "ENOSPC", "EDQUOT"),
        (full) => Effect.flatMap(makeRoom, (hasRoom) => (hasRoom ? writeSomehow : Effect.fail(full))),
      )
      yield* writeSomehow
    }),

    list: namesIn(home.spool, isSpooledCall),

    read: Effect.fn("Spool.read")(function* (names) {
      const { decodeToolUseLine } = yield* toolUses
      return yield* attempt(`read the spool ${home.spool}`, () =>
        names.flatMap((name) => {
          const line = unlessMissing(() => readFileSync(pathOf(name), "utf8"))
          return line === undefined ? [] : [{ name, use: decodeToolUseLine(line) }]
        }),
      )
    }),

    remove: Effect.fn("Spool.remove")((names) =>
      attempt(`remove stored calls from the spool ${home.spool}`, () => {
        for (const name of names) unlessMissing(() => unlinkSync(pathOf(name)))
      }),
    ),

    setAside: Effect.fn("Spool.setAside")((name) =>
      attempt(
        `set the spooled call ${name} aside`,
        () => {
          mkdirSync(aside, { recursive: true, mode: 0o700 })
          renameSync(pathOf(name), join(aside, name))
        },
        () => {},
      ),
    ),

    listAside: namesIn(aside, isSpooledCall),

    listDrafts: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const names = yield* namesIn(home.spool, isSpooledDraft)
      return yield* attempt(`look into ${home.spool}`, () => names.filter((name) => isAbandoned(pathOf(name), now)))
    }),

    settleDraft: Effect.fn("Spool.settleDraft")(function* (name) {
      const { decodeToolUseLine } = yield* toolUses
      return yield* attempt(`settle the draft ${name}`, () => {
        if (Option.isNone(decodeToolUseLine(readFileSync(pathOf(name), "utf8")))) {
          unlinkSync(pathOf(name))
          return "removed"
        }
        renameSync(pathOf(name), pathOf(finalName(name)))
        return "recovered"
      })
    }),

    keepReserve: attempt(`keep a reserve in ${home.spool}`, () => {
      mkdirSync(home.spool, { recursive: true, mode: 0o700 })
      fillReserve(reserve)
    }),
  })
})

/** The spool as a folder in the home: one file of one line per call, readable by its owner only. */
export const SpoolFiles: Layer.Layer<Spool, never, Home> = Layer.effect(Spool, makeSpool)
