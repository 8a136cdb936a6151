import * as Effect from "effect/Effect"

/**
 * What a module offers, loaded when it is first used. This keeps code that only reads out of the hook's start-up:
 * evaluating the schemas of rows costs more than writing one.
 */
export const onDemand = <A>(load: () => Promise<A>): Effect.Effect<A> => {
  let loaded: Promise<A> | undefined
  return Effect.promise(() => {
    loaded ??= load()
    return loaded
  })
}
