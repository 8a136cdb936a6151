import * as Data from "effect/Data"

/**
 * The store could not do what was asked. `operation` says what was being done, in words that fit after "could not".
 * `unavailable`: the store as a whole cannot be used now (locked, full, read-only, damaged, made by a newer program), so the
 * same may succeed later. `rejected`: this one statement failed.
 */
export class PersistenceError extends Data.TaggedError("PersistenceError")<{
  readonly operation: string
  readonly reason: "unavailable" | "rejected"
  readonly cause: unknown
}> {
  override get message(): string {
    return `could not ${this.operation}: ${rootMessage(this.cause)}`
  }
}

/** Nothing was recorded yet: there is no store at `path`. */
export class StoreMissing extends Data.TaggedError("StoreMissing")<{ readonly path: string }> {
  override get message(): string {
    return `nothing is recorded yet: there is no store at ${this.path}`
  }
}

/** The store's file is not what SQLite wrote. Nothing may be written to it. */
export class DamagedStore extends Data.TaggedError("DamagedStore")<{ readonly message: string }> {}

/** The innermost message, which is the database's or the system's own. */
const rootMessage = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause === undefined ? cause.message : rootMessage(cause.cause)
}

/** The question needs single calls that are pruned. `before` is the day before which they are, `YYYY-MM-DD`. */
export class DetailPruned extends Data.TaggedError("DetailPruned")<{ readonly before: string }> {
  override get message(): string {
    return `the single calls before ${this.before} are pruned; ask for a window that begins later, or for \`tooltrail trend\`, which shows their sums by day`
  }
}

/** What SQLite says about the damaged file; nothing if the error has another reason. */
export const findDamage = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  if (error instanceof DamagedStore) return error.message
  if ("code" in error && /^SQLITE_(CORRUPT|NOTADB)/.test(String(error.code))) return error.message
  return findDamage(error.cause)
}
