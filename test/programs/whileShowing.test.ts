import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { whileShowing } from "../../src/programs/cli/render/whileShowing.ts"

const written = (isTTY: boolean, work: (texts: ReadonlyArray<string>) => Effect.Effect<void, string>) =>
  Effect.gen(function* () {
    const texts: Array<string> = []
    const stream = { isTTY, write: (text: string) => texts.push(text) }
    const exit = yield* Effect.exit(Effect.suspend(() => work([...texts])).pipe(whileShowing("Looking", stream)))
    return { texts, isFailure: Exit.isFailure(exit) }
  })

describe("a line that is shown while something runs", () => {
  it.effect("is there before it begins, and gone when it ends, however it ends", () =>
    Effect.gen(function* () {
      const during: Array<ReadonlyArray<string>> = []
      const note = (texts: ReadonlyArray<string>) => Effect.sync(() => void during.push(texts))
      const well = yield* written(true, note)
      const failed = yield* written(true, (texts) => Effect.zipRight(note(texts), Effect.fail("no")))
      assert.deepStrictEqual(during, [["Looking"], ["Looking"]])
      assert.deepStrictEqual(well, { texts: ["Looking", "\r\u001b[K"], isFailure: false })
      assert.deepStrictEqual(failed, { texts: ["Looking", "\r\u001b[K"], isFailure: true })
    }),
  )

  it.effect("is not written where standard error is no terminal", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* written(false, () => Effect.void), { texts: [], isFailure: false })
    }),
  )
})
