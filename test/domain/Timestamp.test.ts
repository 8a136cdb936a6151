import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { fromEpochMillis, toEpochMillis } from "../../src/domain/Timestamp.ts"

const first = Date.parse("0000-03-01T00:00:00Z")
const last = Date.parse("9999-12-31T23:59:59.999Z")

describe("a timestamp", () => {
  it("is the instant's second in UTC, in every year", () =>
    fc.assert(
      fc.property(fc.integer({ min: first, max: last }), (millis) => {
        const iso = new Date(millis).toISOString()
        assert.strictEqual(fromEpochMillis(millis), `${iso.slice(0, 10)} ${iso.slice(11, 19)}`)
        assert.strictEqual(toEpochMillis(fromEpochMillis(millis)), Math.floor(millis / 1000) * 1000)
      }),
      { numRuns: 5000 },
    ))

  it("is right on every day of four centuries", () => {
    for (let day = Date.parse("1900-01-01T00:00:00Z"); day < Date.parse("2300-01-01T00:00:00Z"); day += 86_400_000) {
      assert.strictEqual(fromEpochMillis(day), `${new Date(day).toISOString().slice(0, 10)} 00:00:00`)
    }
  })
})
