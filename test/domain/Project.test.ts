import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { projectFromRoot } from "../../src/domain/projectFromRoot.ts"

describe("Project", () => {
  it("hashes the root as SHA-256 does, cut to 16 hex digits", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (root) => {
        assert.strictEqual(projectFromRoot(root).hash, createHash("sha256").update(root).digest("hex").slice(0, 16))
      }),
    )
  })

  it.each([
    ["/projects/tooltrail", "tooltrail"],
    ["C:\\projects\\tooltrail", "tooltrail"],
    ["/", "/"],
  ])("calls %s %s", (root, name) => {
    assert.strictEqual(projectFromRoot(root).name, name)
  })
})
