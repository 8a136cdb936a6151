import * as Data from "effect/Data"

/** The hook's program could not be run to its end. */
export class HookNotRunnable extends Data.TaggedError("HookNotRunnable")<{
  readonly program: string
  readonly reason: string
}> {
  override get message(): string {
    return `could not run the hook ${this.program}: ${this.reason}`
  }
}
