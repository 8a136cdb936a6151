import { randomBytes } from "node:crypto"
import { chmodSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import type { Home } from "../../services/Home.ts"

const TOKEN_BYTES = 32

/** Where the server's token is kept. */
export const tokenPath = (home: Context.Tag.Service<Home>): string => join(home.directory, "serve.token")

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, PersistenceError> =>
  Effect.try({ try: run, catch: (cause) => new PersistenceError({ operation, reason: "unavailable", cause }) })

const make = (path: string) =>
  attempt(`make the token ${path}`, () => {
    const token = randomBytes(TOKEN_BYTES).toString("hex")
    // Nobody reads it before it is whole.
    const draft = `${path}.new-${process.pid}`
    writeFileSync(draft, `${token}\n`, { mode: 0o600, flag: "wx" })
    renameSync(draft, path)
    return token
  })

const read = Effect.fn("tokenFile.read")(function* (path: string, mode: number) {
  if ((mode & 0o077) !== 0 && process.platform !== "win32") {
    yield* attempt(`protect the token ${path}`, () => chmodSync(path, 0o600))
    yield* Effect.logWarning(`others could read ${path}; delete it to have a new token made at the next start`)
  }
  const token = (yield* attempt(`read the token ${path}`, () => readFileSync(path, "utf8"))).trim()
  if (new RegExp(`^[0-9a-f]{${2 * TOKEN_BYTES}}$`).test(token)) return token
  return yield* new PersistenceError({
    operation: `read the token ${path}`,
    reason: "rejected",
    cause: `it is not ${2 * TOKEN_BYTES} hex digits; delete it to have a new one made`,
  })
})

/** The secret that a file holds for its owner only, as hex digits; made where there is none yet. The folder must be there. */
export const tokenFile = (path: string): Effect.Effect<string, PersistenceError> =>
  Effect.flatMap(
    attempt(`look for the token ${path}`, () => statSync(path, { throwIfNoEntry: false })),
    (file) => (file === undefined ? make(path) : read(path, file.mode)),
  )

/** The token, where there is one that can be read; none is made. */
export const knownToken = (path: string): Effect.Effect<string | undefined> =>
  attempt(`read the token ${path}`, () =>
    statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path, "utf8").trim(),
  ).pipe(
    Effect.tapError((error) => Effect.logWarning(error.message)),
    Effect.orElseSucceed(() => undefined),
  )
