import type * as Brand from "effect/Brand"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** An instant as the store keeps it: UTC text, `YYYY-MM-DD HH:MM:SS`. Such texts sort as the instants do. */
export type Timestamp = string & Brand.Brand<"Timestamp">

/** Cuts to the second, as SQLite's `datetime()` does. */
export const fromEpochMillis = (millis: number): Timestamp =>
  new Date(millis).toISOString().slice(0, 19).replace("T", " ") as Timestamp

export const toEpochMillis = (timestamp: Timestamp): number => Date.parse(`${timestamp.replace(" ", "T")}Z`)

/** The present second by Effect's Clock. */
export const now: Effect.Effect<Timestamp> = Effect.map(Clock.currentTimeMillis, fromEpochMillis)
