import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { PersistenceError } from "../domain/PersistenceError.ts"
import { SpoolLine, UnreadableSpooledCall } from "../domain/SpooledCall.ts"
import { Home } from "../services/Home.ts"
import { Spool } from "../services/Spool.ts"
import { makeHomeFolder } from "./homeFolder.ts"

const SUFFIX = ".json"
const DRAFT_SUFFIX = `${SUFFIX}.part`
const DRAFT_LIFETIME_MILLIS = 60_000

const RESERVE_BYTES = 1024 * 1024
/** Room for sixteen calls on a disk with blocks of 4 KiB. */
const RESERVE_STEP_BYTES = 64 * 1024

const encodeLine = Schema.encodeSync(SpoolLine)
const decodeLine = Schema.decodeUnknownOption(SpoolLine)

const hasCode = (error: unknown, ...codes: ReadonlyArray<string>) =>
  error instanceof Error && "code" in error && codes.includes(String(error.code))

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Bytes that no file system can compress or leave out. */
const noise = (bytes: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let state = 0x9e3779b9
  for (let place = 0; place < words.length; place++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[place] = state
  }
  return new Uint8Array(words.buffer, 0, bytes)
}

/** Makes the reserve whole, or leaves it as it was. */
const fillReserve = (path: string): void => {
  const size = sizeOf(path)
  if (size >= RESERVE_BYTES) return
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const missing = noise(RESERVE_BYTES - size)
    for (let written = 0; written < missing.length; ) {
      written += writeSync(file, missing, written, missing.length - written, size + written)
    }
  } catch (error) {
    truncateSync(path, size)
    throw error
  } finally {
    closeSync(file)
  }
}

/** Runs file operations; what they throw becomes a `PersistenceError`, and a file that is not there `whenMissing`. */
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

const make = Effect.gen(function* () {
  const home = yield* Home
  const aside = join(home.spool, "unreadable")
  const reserve = join(home.spool, "reserve")
  const pathOf = (name: string) => join(home.spool, name)

  const namesIn = (folder: string, suffix: string) =>
    attempt(
      `look into ${folder}`,
      () =>
        readdirSync(folder)
          .filter((name) => name.endsWith(suffix))
          .sort(),
      () => [],
    )

  /** Gives a part of the reserve back to the disk; false where there is none left. */
  const makeRoom = attempt("use the reserve", () => {
    const size = sizeOf(reserve)
    if (size === 0) return false
    truncateSync(reserve, Math.max(0, size - RESERVE_STEP_BYTES))
    return true
  }).pipe(Effect.orElseSucceed(() => false))

  return Spool.of({
    append: Effect.fn("Spool.append")(function* (call) {
      const millis = yield* Clock.currentTimeMillis
      // The time comes first, so that names sort by age; the rest makes them unique on the machine.
      const name = `${String(millis).padStart(15, "0")}-${process.pid}-${Math.random().toString(36).slice(2, 10)}${SUFFIX}`
      const draft = pathOf(`${name}.part`)
      yield* attempt(`keep the call in the spool ${home.spool}`, () => {
        makeHomeFolder(home.directory)
        mkdirSync(home.spool, { recursive: true, mode: 0o700 })
        // Nobody reads it before it is whole.
        writeFileSync(draft, `${encodeLine(call)}\n`, { mode: 0o600, flag: "wx" })
        renameSync(draft, pathOf(name))
      }).pipe(
        Effect.tapError(() => Effect.ignore(attempt("remove a draft", () => rmSync(draft, { force: true })))),
        Effect.retry({
          while: ({ cause }) => (hasCode(cause, "ENOSPC", "EDQUOT") ? makeRoom : Effect.succeed(false)),
        }),
      )
    }),

    list: namesIn(home.spool, SUFFIX),

    read: Effect.fn("Spool.read")(function* (name) {
      const line = yield* attempt<string | undefined>(
        `read the spooled call ${name}`,
        () => readFileSync(pathOf(name), "utf8"),
        () => undefined,
      )
      if (line === undefined) return Option.none()
      const call = decodeLine(line)
      return Option.isSome(call) ? call : yield* new UnreadableSpooledCall({ name })
    }),

    remove: Effect.fn("Spool.remove")((name) =>
      attempt(`remove the spooled call ${name}`, () => rmSync(pathOf(name), { force: true })),
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

    listAside: namesIn(aside, SUFFIX),

    listDrafts: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const names = yield* namesIn(home.spool, DRAFT_SUFFIX)
      const isOld = (name: string) => {
        const file = statSync(pathOf(name), { throwIfNoEntry: false })
        return file !== undefined && now - file.mtimeMs > DRAFT_LIFETIME_MILLIS
      }
      return yield* attempt(`look into ${home.spool}`, () => names.filter(isOld))
    }),

    settleDraft: Effect.fn("Spool.settleDraft")((name) =>
      attempt(`settle the draft ${name}`, () => {
        if (Option.isNone(decodeLine(readFileSync(pathOf(name), "utf8")))) {
          rmSync(pathOf(name), { force: true })
          return "removed"
        }
        renameSync(pathOf(name), pathOf(name.slice(0, -".part".length)))
        return "recovered"
      }),
    ),

    keepReserve: attempt(`keep a reserve in ${home.spool}`, () => {
      if (sizeOf(reserve) >= RESERVE_BYTES) return
      mkdirSync(home.spool, { recursive: true, mode: 0o700 })
      fillReserve(reserve)
    }),
  })
})

/** The spool as a folder in the home: one file of one line per call, readable by its owner only. */
export const SpoolFiles: Layer.Layer<Spool, never, Home> = Layer.effect(Spool, make)
