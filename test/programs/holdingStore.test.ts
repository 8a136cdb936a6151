import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { holdingStore } from "../../src/programs/record/holdingStore.ts"
import { DrainLedger } from "../../src/services/Transaction.ts"

/** A store that others hold for a second, and that takes half a second to commit. */
const BusyStore = Layer.mock(DrainLedger, {
  atomically: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.zipLeft(Effect.zipRight(Effect.sleep("1 second"), effect), Effect.sleep("500 millis")),
})

describe("holding the store", () => {
  it.effect("takes as long as the writes and their commit do, without the wait before them", () =>
    Effect.gen(function* () {
      const writes = Effect.as(Effect.sleep("160 millis"), "written")
      const fiber = yield* Effect.fork(Effect.provide(holdingStore(writes), BusyStore))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { result: "written", heldMillis: 660 })
    }),
  )
})
