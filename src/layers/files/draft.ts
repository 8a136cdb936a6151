import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { PersistenceError } from "../../domain/StoreError.ts"
import { publish } from "./atomicFile.ts"
import { draftFile, SIDE_FILES } from "./ownedFiles.ts"

/** An empty draft for its owner only. It is removed when the scope closes, unless it was renamed. */
export const makeDraft = (path: string) =>
  Effect.acquireRelease(
    Effect.try(() => {
      const draft = draftFile(path)
      closeSync(openSync(draft, "wx", 0o600))
      return draft
    }),
    (draft) =>
      Effect.sync(() => {
        for (const suffix of ["", ...SIDE_FILES]) rmSync(draft + suffix, { force: true })
      }),
  )

/**
 * Writes a file piece by piece, for its owner only. It gets its name when all of it is on the disk; `replace` says whether a
 * file of that name may be replaced.
 */
export const writeWholeFile = <A, E, R>(
  path: string,
  replace: boolean,
  run: (write: (text: string) => Effect.Effect<void, PersistenceError>) => Effect.Effect<A, E, R>,
): Effect.Effect<A, E | PersistenceError, R> => {
  const failed = (reason: "unavailable" | "rejected") => (cause: unknown) =>
    new PersistenceError({ operation: `write ${path}`, reason, cause })
  const attempt = <B>(run: () => B) => Effect.try({ try: run, catch: failed("unavailable") })

  return Effect.gen(function* () {
    if (!replace && (yield* attempt(() => existsSync(path)))) {
      return yield* failed("rejected")("it already exists; --force replaces it")
    }
    const draft = yield* Effect.mapError(makeDraft(path), failed("unavailable"))
    const file = yield* Effect.acquireRelease(
      attempt(() => openSync(draft, "r+")),
      (file) => Effect.sync(() => closeSync(file)),
    )
    const result = yield* run((text) => attempt(() => writeFileSync(file, text)))
    yield* attempt(() => {
      fsyncSync(file)
      if (replace) renameSync(draft, path)
      else publish(draft, path)
    })
    return result
  }).pipe(Effect.scoped)
}
