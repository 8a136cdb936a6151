import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DamagedStore } from "../../domain/DamagedStore.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { StoreFile } from "../../services/StoreFile.ts"

/** What SQLite says of the file that is damaged; nothing where the error speaks of something else. */
const findDamage = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  if (error instanceof DamagedStore) return error.message
  if ("code" in error && /^SQLITE_(CORRUPT|NOTADB)/.test(String(error.code))) return error.message
  return findDamage(error.cause)
}

export const isDamage = (error: PersistenceError): boolean => findDamage(error) !== undefined

/** The command that helps a damaged store, as a part of a sentence. */
export const howToRestore: Effect.Effect<string, never, Home | StoreFile> = Effect.gen(function* () {
  const home = yield* Home
  const { newestBackup } = yield* StoreFile
  return Option.match(yield* newestBackup, {
    onNone: () => `restore a backup with \`tooltrail restore PATH\` (there is none in ${home.directory}/backups)`,
    onSome: (path) => `restore the newest backup with \`tooltrail restore ${path}\``,
  })
})

/** Makes of an error that speaks of a damaged store one that says how to restore it. */
export const explainDamage = (error: PersistenceError): Effect.Effect<PersistenceError, never, Home | StoreFile> =>
  Effect.gen(function* () {
    const home = yield* Home
    const damage = findDamage(error)
    if (damage === undefined) return error
    return new PersistenceError({
      operation: `use the store ${home.database}`,
      reason: "unavailable",
      cause: `it is damaged: ${damage}; ${yield* howToRestore}`,
    })
  })
