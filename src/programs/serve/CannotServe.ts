import * as Data from "effect/Data"

/** The server cannot start. The message says why, on one line. */
export class CannotServe extends Data.TaggedError("CannotServe")<{ readonly message: string }> {}
