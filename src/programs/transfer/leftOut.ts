import * as Effect from "effect/Effect"

/** The first that are left out are named. Of the others only the number is said. */
const MOST_NAMED = 5

/** Counts what cannot be read and is left out: lines of a file, rows of a database. */
export class LeftOut {
  count = 0

  constructor(
    readonly where: string,
    readonly things: "lines" | "rows",
  ) {}

  add(problem: string): Effect.Effect<void> {
    return Effect.suspend(() =>
      ++this.count <= MOST_NAMED ? Effect.logWarning(`${this.where}, ${problem}; it is left out`) : Effect.void,
    )
  }

  readonly sayCount: Effect.Effect<void> = Effect.suspend(() =>
    this.count > MOST_NAMED
      ? Effect.logWarning(`${this.where}: ${this.count} ${this.things} in all are left out`)
      : Effect.void,
  )
}
