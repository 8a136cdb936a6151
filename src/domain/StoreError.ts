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

/** The innermost message, which is the database's or the system's own. */
const rootMessage = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause === undefined ? cause.message : rootMessage(cause.cause)
}
