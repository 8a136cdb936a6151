import * as Data from "effect/Data"

/** Of a session, calls are pruned, or, as an older program pruned and kept no names, may be. */
export interface PrunedSession {
  /** Null is that of calls without one. */
  readonly id: string | null
  readonly isCertain: boolean
}

/**
 * The question needs single calls that are pruned: of a window, or, where `session` is there, of that session. `before` is the
 * day up to which they are, `YYYY-MM-DD`.
 */
export class DetailPruned extends Data.TaggedError("DetailPruned")<{
  readonly before: string
  readonly session?: PrunedSession
}> {
  override get message(): string {
    const kept = "only their sums by day are kept, which `tooltrail trend` shows"
    if (this.session === undefined) {
      return `the single calls before ${this.before} are pruned; ask for a window that begins later: ${kept}`
    }
    const { id, isCertain } = this.session
    const calls = id === null ? "calls without a session" : `calls of the session ${id}`
    return `${calls} ${isCertain ? "are" : "may be"} from before ${this.before} and pruned; ${kept}`
  }
}
