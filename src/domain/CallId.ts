import * as Effect from "effect/Effect"

/** No agent's own ids begin like this. */
export const MADE_ID_PREFIX = "tooltrail-"

/**
 * An id for a call whose agent gave none. Such a call is provisional: when the transcript of its session is read, the calls that it
 * shows replace it.
 */
export const makeCallId: Effect.Effect<string> = Effect.sync(() => MADE_ID_PREFIX + crypto.randomUUID())
