import { randomBytes } from "node:crypto"
import { chmodSync, fsyncSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import type { Home } from "../../services/Home.ts"
import { writeAside } from "./atomicFile.ts"
import { TOKEN } from "./ownedFiles.ts"

const TOKEN_BYTES = 32

/** The file of the server's token. */
export const tokenPath = (home: Context.Tag.Service<Home>): string => join(home.directory, TOKEN)

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, PersistenceError> =>
  Effect.try({ try: run, catch: (cause) => new PersistenceError({ operation, reason: "unavailable", cause }) })

const make = (path: string) =>
  attempt(`make the token ${path}`, () => {
    const token = randomBytes(TOKEN_BYTES).toString("hex")
    writeAside(path, 0o600, (file) => {
      writeFileSync(file, `${token}\n`)
      fsyncSync(file)
    })
    return token
  })

const read = Effect.fn("tokenFile.read")(function* (path: string, mode: number) {
  if ((mode & 0o077) !== 0 && process.platform !== "win32") {
    yield* attempt(`protect the token ${path}`, () => chmodSync(path, 0o600))
    yield* Effect.logWarning(`others could read ${path}; delete it to get a new token at the next start`)
  }
  const token = (yield* attempt(`read the token ${path}`, () => readFileSync(path, "utf8"))).trim()
  if (new RegExp(`^[0-9a-f]{${2 * TOKEN_BYTES}}$`).test(token)) return token
  return yield* new PersistenceError({
    operation: `read the token ${path}`,
    reason: "rejected",
    cause: `it is not ${2 * TOKEN_BYTES} hex digits; delete it to get a new one`,
  })
})

/** The secret in a file that only its owner can read, as hex digits; made if there is none yet. The folder must be there. */
export const tokenFile = (path: string): Effect.Effect<string, PersistenceError> =>
  Effect.flatMap(
    attempt(`look for the token ${path}`, () => statSync(path, { throwIfNoEntry: false })),
    (file) => (file === undefined ? make(path) : read(path, file.mode)),
  )

/** The token if there is one that can be read; none is made. */
export const knownToken = (path: string): Effect.Effect<string | undefined> =>
  attempt(`read the token ${path}`, () =>
    statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path, "utf8").trim(),
  ).pipe(
    Effect.tapError((error) => Effect.logWarning(error.message)),
    Effect.orElseSucceed(() => undefined),
  )
