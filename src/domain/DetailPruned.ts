import * as Data from "effect/Data"

/**
 * The question needs single calls that are pruned: of a window, or, where `session` is there, of that session; null is that of
 * calls without one. `before` is the day up to which they are, `YYYY-MM-DD`.
 */
export class DetailPruned extends Data.TaggedError("DetailPruned")<{
  readonly before: string
  readonly session?: string | null
}> {
  override get message(): string {
    if (this.session === undefined) {
      return `the single calls before ${this.before} are pruned, and only their sums by day are kept; ask for a window that begins later, or for the trend`
    }
    const session = this.session === null ? "without a session" : `of the session ${this.session}`
    return `calls ${session} are from before ${this.before} and pruned, and only their sums by day are kept; ask for the trend`
  }
}
