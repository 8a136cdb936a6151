import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { syncFileAside } from "../../src/layers/files/syncToDisk.ts"
import { temporaryFolder } from "../support/processes.ts"

describe("a sync aside", () => {
  it.live("ends where the file is on the disk, and names the file that cannot be written to it", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      const file = join(folder, "file")
      writeFileSync(file, "text")
      yield* syncFileAside(file)
      const gone = join(folder, "gone")
      const error = yield* Effect.flip(syncFileAside(gone))
      assert.strictEqual(error.reason, "unavailable")
      assert.include(error.message, `write ${gone} to the disk`)
    }),
  )
})
