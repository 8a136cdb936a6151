import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { printable } from "../../src/domain/text.ts"

describe("printable", () => {
  it("shows what could steer a terminal or break a line", () => {
    assert.strictEqual(printable("a\u001b[31mb\nc\u0000d\u009be\u202ef"), "a\\x1b[31mb\\x0ac\\x00d\\x9be\\u202ef")
  })

  it("shows what cannot be seen", () => {
    assert.strictEqual(printable("a\u061cb\u200bc\ufeffd"), "a\\u061cb\\u200bc\\ufeffd")
  })

  it("leaves no control character in any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.notMatch(printable(text), /\p{C}(?<!\p{Cn}|\p{Co}|\p{Cs})|\p{Zl}|\p{Zp}/u)
      }),
    )
  })
})
