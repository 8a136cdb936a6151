import * as Data from "effect/Data"

/** The store's file is not what SQLite wrote. Nothing may be written to it. */
export class DamagedStore extends Data.TaggedError("DamagedStore")<{ readonly message: string }> {}
