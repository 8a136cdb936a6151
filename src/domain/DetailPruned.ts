import * as Data from "effect/Data"

/** The question needs single calls that are pruned. `before` is the day up to which they are, `YYYY-MM-DD`. */
export class DetailPruned extends Data.TaggedError("DetailPruned")<{ readonly before: string }> {
  override get message(): string {
    return `the single calls before ${this.before} are pruned, and only their sums by day are kept; ask for a window that begins later, or for the trend`
  }
}
