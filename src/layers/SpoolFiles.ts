import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../domain/PersistenceError.ts"
import { UnreadableSpooledCall } from "../domain/UnreadableSpooledCall.ts"
import { Home } from "../services/Home.ts"
import { Spool } from "../services/Spool.ts"
import { makeHomeFolder } from "./homeFolder.ts"
import { onDemand } from "./onDemand.ts"

const SUFFIX = ".json"
const spoolLines = onDemand(() => import("../domain/SpooledCall.ts"))

const isMissing = (error: unknown) => error instanceof Error && "code" in error && error.code === "ENOENT"

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
        ({ cause }) => isMissing(cause),
        () => Effect.sync(whenMissing),
      )
}

/** The spool of a home folder. */
export const makeSpool = Effect.gen(function* () {
  const home = yield* Home
  const aside = join(home.spool, "unreadable")
  const pathOf = (name: string) => join(home.spool, name)

  const namesIn = (folder: string) =>
    attempt(
      `look into ${folder}`,
      () =>
        readdirSync(folder)
          .filter((name) => name.endsWith(SUFFIX))
          .sort(),
      () => [],
    )

  return Spool.of({
    append: Effect.fn("Spool.append")(function* (call) {
      const millis = yield* Clock.currentTimeMillis
      // The time comes first, so that names sort by age; the rest makes them unique on the machine.
      const name = `${String(millis).padStart(15, "0")}-${process.pid}-${Math.random().toString(36).slice(2, 10)}${SUFFIX}`
      yield* attempt(`keep the call in the spool ${home.spool}`, () => {
        makeHomeFolder(home.directory)
        mkdirSync(home.spool, { recursive: true, mode: 0o700 })
        // Nobody reads it before it is whole.
        const draft = pathOf(`${name}.part`)
        writeFileSync(draft, `${JSON.stringify(call)}\n`, { mode: 0o600, flag: "wx" })
        renameSync(draft, pathOf(name))
      })
    }),

    list: namesIn(home.spool),

    read: Effect.fn("Spool.read")(function* (name) {
      const line = yield* attempt<string | undefined>(
        `read the spooled call ${name}`,
        () => readFileSync(pathOf(name), "utf8"),
        () => undefined,
      )
      if (line === undefined) return Option.none()
      const { decodeSpoolLine } = yield* spoolLines
      const call = decodeSpoolLine(line)
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

    listAside: namesIn(aside),
  })
})

/** The spool as a folder in the home: one file of one line per call, readable by its owner only. */
export const SpoolFiles: Layer.Layer<Spool, never, Home> = Layer.effect(Spool, makeSpool)
