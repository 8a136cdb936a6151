import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs"
import { join, sep } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { Spool } from "../../services/Spool.ts"
import { onDemand } from "../store/onDemand.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { fillReserve, shrinkReserve } from "./spoolReserve.ts"

const SUFFIX = ".json"
const spoolLines = onDemand(() => import("../../domain/SpooledCall.ts"))
const DRAFT_SUFFIX = `${SUFFIX}.part`
const DRAFT_LIFETIME_MILLIS = 60_000

const hasCode = (error: unknown, ...codes: ReadonlyArray<string>) =>
  error instanceof Error && "code" in error && codes.includes(String(error.code))

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

/** For many files at once: what each takes as an effect of its own would count. */
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
  const aside = join(home.spool, "unreadable")
  const reserve = join(home.spool, "reserve")
  const pathOf = (name: string) => home.spool + sep + name

  const namesIn = (folder: string, suffix: string) =>
    attempt(
      `look into ${folder}`,
      () =>
        readdirSync(folder)
          .filter((name) => name.endsWith(suffix))
          .sort(),
      () => [],
    )

  const makeRoom = attempt("use the reserve", () => shrinkReserve(reserve)).pipe(Effect.orElseSucceed(() => false))

  return Spool.of({
    append: Effect.fn("Spool.append")(function* (call) {
      const millis = yield* Clock.currentTimeMillis
      // The time comes first, so that names sort by age; the rest makes them unique on the machine.
      const name = `${String(millis).padStart(15, "0")}-${process.pid}-${Math.random().toString(36).slice(2, 10)}${SUFFIX}`
      const draft = pathOf(`${name}.part`)
      const write = attempt(`keep the call in the spool ${home.spool}`, () => {
        makeHomeFolder(home.directory)
        mkdirSync(home.spool, { recursive: true, mode: 0o700 })
        // Nobody reads it before it is whole.
        writeFileSync(draft, `${JSON.stringify(call)}\n`, { mode: 0o600, flag: "wx" })
        renameSync(draft, pathOf(name))
      }).pipe(Effect.tapError(() => Effect.ignore(attempt("remove a draft", () => rmSync(draft, { force: true })))))
      // A loop and not `Effect.retry`, which would bring schedules into the hook's start-up.
      const writeSomehow: Effect.Effect<void, PersistenceError> = Effect.catchIf(
        write,
        ({ cause }) => hasCode(cause, "ENOSPC", "EDQUOT"),
        (full) => Effect.flatMap(makeRoom, (hasRoom) => (hasRoom ? writeSomehow : Effect.fail(full))),
      )
      yield* writeSomehow
    }),

    list: namesIn(home.spool, SUFFIX),

    read: Effect.fn("Spool.read")(function* (names) {
      const { decodeSpoolLine } = yield* spoolLines
      return yield* attempt(`read the spool ${home.spool}`, () =>
        names.flatMap((name) => {
          const line = unlessMissing(() => readFileSync(pathOf(name), "utf8"))
          return line === undefined ? [] : [{ name, call: decodeSpoolLine(line) }]
        }),
      )
    }),

    findGone: Effect.fn("Spool.findGone")((names) =>
      attempt(
        `look into ${home.spool}`,
        () => new Set(names.filter((name) => statSync(pathOf(name), { throwIfNoEntry: false }) === undefined)),
      ),
    ),

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

    settleDraft: Effect.fn("Spool.settleDraft")(function* (name) {
      const { decodeSpoolLine } = yield* spoolLines
      return yield* attempt(`settle the draft ${name}`, () => {
        if (Option.isNone(decodeSpoolLine(readFileSync(pathOf(name), "utf8")))) {
          rmSync(pathOf(name), { force: true })
          return "removed"
        }
        renameSync(pathOf(name), pathOf(name.slice(0, -".part".length)))
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
