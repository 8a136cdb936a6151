import { type Stats, statSync } from "node:fs"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { PersistenceError } from "../../domain/StoreError.ts"
import { type RecordingStore, RecordingStoreLive } from "../../layers/store/RecordingStore.ts"
import { Home } from "../../services/Home.ts"
import { Transaction } from "../../services/Transaction.ts"

/** Short, because all clients wait while a statement waits for a lock, and the spool takes what the store cannot. */
const BUSY_TIMEOUT_MILLIS = 250

/** 1.6 MB: all clients wait for a checkpoint, too. */
const CHECKPOINT_PAGES = 400

interface OpenStore {
  readonly _tag: "Open"
  readonly services: Context.Context<RecordingStore>
  readonly file: Stats | undefined
  readonly close: Effect.Effect<void>
}

type State =
  | OpenStore
  /** The next use opens it. */
  | { readonly _tag: "Closed" }
  /** Every use fails at once until `reopen` finds it usable. */
  | { readonly _tag: "Unavailable"; readonly error: PersistenceError }

/** The store of a long-lived process. Its effects must not overlap. */
export interface ServedStore {
  /** Runs with the store. A failure of the effect does not change the store's state. */
  readonly use: <A, E>(effect: Effect.Effect<A, E, RecordingStore>) => Effect.Effect<A, E | PersistenceError>
  /** Makes the next use open the store again: the SQL client remembers failed statements for ten minutes. */
  readonly renew: Effect.Effect<void>
  /** Makes every `use` fail with this error from now on. */
  readonly giveUp: (error: PersistenceError) => Effect.Effect<void>
  /** Opens a store that was given up. True if it is usable again. */
  readonly reopen: Effect.Effect<boolean>
  readonly isAvailable: Effect.Effect<boolean>
}

const isSameFile = (a: Stats | undefined, b: Stats | undefined) => a?.ino === b?.ino && a?.dev === b?.dev

const canWrite = Effect.flatMap(Transaction, ({ atomically }) => atomically(Effect.void))

export const makeServedStore: Effect.Effect<ServedStore, never, Home | Scope.Scope> = Effect.gen(function* () {
  const home = yield* Home
  const unusable = (cause: unknown) =>
    cause instanceof PersistenceError
      ? cause
      : new PersistenceError({ operation: `use the store ${home.database}`, reason: "unavailable", cause })
  const lookAtFile = () => statSync(home.database, { throwIfNoEntry: false })

  const live = Layer.provide(
    RecordingStoreLive({
      busyTimeoutMillis: BUSY_TIMEOUT_MILLIS,
      checkpointPages: CHECKPOINT_PAGES,
      whenMissing: "create",
    }),
    Layer.succeed(Home, home),
  )

  let state: State = { _tag: "Closed" }

  const leave = (next: Exclude<State, OpenStore>) =>
    Effect.suspend(() => {
      const left = state
      state = next
      return left._tag === "Open" ? left.close : Effect.void
    })

  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const close = Effect.catchAllCause(Scope.close(scope, Exit.void), (cause) => Effect.logWarning(cause))
    const services = yield* Layer.buildWithScope(live, scope).pipe(
      Effect.tap((built) => Effect.provide(canWrite, built)),
      Effect.catchAllDefect(Effect.fail),
      Effect.mapError(unusable),
      Effect.onError(() => close),
    )
    const file = yield* Effect.orElseSucceed(Effect.try(lookAtFile), () => undefined)
    const opened: OpenStore = { _tag: "Open", services, file, close }
    state = opened
    return opened
  }).pipe(Effect.tapError((error) => leave({ _tag: "Unavailable", error })))

  /** A restore may have replaced the file. Whatever is then written to the old one is lost. */
  const isCurrent = ({ file }: OpenStore) => isSameFile(lookAtFile(), file)

  const opened: Effect.Effect<OpenStore, PersistenceError> = Effect.suspend(() => {
    if (state._tag === "Unavailable") return Effect.fail(state.error)
    if (state._tag === "Open" && isCurrent(state)) return Effect.succeed(state)
    return Effect.zipRight(leave({ _tag: "Closed" }), open)
  })

  yield* Effect.addFinalizer(() => leave({ _tag: "Closed" }))

  return {
    use: (effect) => Effect.flatMap(opened, ({ services }) => Effect.provide(effect, services)),
    renew: leave({ _tag: "Closed" }),
    giveUp: (error) => leave({ _tag: "Unavailable", error }),
    reopen: Effect.suspend(() =>
      state._tag === "Unavailable"
        ? Effect.match(open, { onFailure: () => false, onSuccess: () => true })
        : Effect.succeed(false),
    ),
    isAvailable: Effect.sync(() => state._tag !== "Unavailable"),
  }
})
