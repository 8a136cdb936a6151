import * as Data from "effect/Data"

/** What is in the spool under this name is no spooled call. */
export class UnreadableSpooledCall extends Data.TaggedError("UnreadableSpooledCall")<{ readonly name: string }> {
  override get message(): string {
    return `the spooled call ${this.name} cannot be read`
  }
}
