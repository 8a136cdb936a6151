import * as Effect from "effect/Effect"

/**
 * An environment variable; an empty one counts as not set. Not by `effect/Config`, because every hook reads some, and the
 * machinery for the first of them takes longer than an insert.
 */
export const environmentVariable = (name: string): Effect.Effect<string | undefined> =>
  Effect.sync(() => process.env[name] || undefined)
