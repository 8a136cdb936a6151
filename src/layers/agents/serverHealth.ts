import * as Effect from "effect/Effect"

const PATIENCE_MILLIS = 1000

/** Whether `tooltrail serve` answers where this hook posts to, and takes this token. */
export const isServing = (hookUrl: string, token: string): Effect.Effect<boolean> =>
  Effect.tryPromise(async () => {
    const response = await fetch(new URL("/health", hookUrl), {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PATIENCE_MILLIS),
    })
    await response.arrayBuffer()
    return response.ok
  }).pipe(
    Effect.tapError((error) => Effect.logDebug(`${hookUrl} does not answer`, error)),
    Effect.orElseSucceed(() => false),
  )
