import * as Data from "effect/Data"

/** An agent's settings file that cannot be read or edited. Nothing was changed in it. */
export class UnusableSettings extends Data.TaggedError("UnusableSettings")<{
  readonly path: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.path} is left as it is: ${this.reason}`
  }
}
