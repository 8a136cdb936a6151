import * as Data from "effect/Data"

/** Nothing was recorded yet: there is no store at `path`. */
export class StoreMissing extends Data.TaggedError("StoreMissing")<{ readonly path: string }> {
  override get message(): string {
    return `nothing is recorded yet: there is no store at ${this.path}`
  }
}
