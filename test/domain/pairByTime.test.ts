import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { pairByTime } from "../../src/domain/pairByTime.ts"

const sighting = (millis: number, kind = "a", closerKind: unknown = 0) => ({ millis, kind, closerKind })

/** The most pairs that there can be, by trying all ways. */
const mostPairs = (ones: ReadonlyArray<number>, others: ReadonlyArray<number>, mostApart: number): number => {
  const [first, ...rest] = ones
  if (first === undefined) return 0
  const withFirst = others.flatMap((other, place) =>
    Math.abs(other - first) <= mostApart ? [1 + mostPairs(rest, others.toSpliced(place, 1), mostApart)] : [],
  )
  return Math.max(mostPairs(rest, others, mostApart), ...withFirst)
}

describe("pairByTime", () => {
  it("pairs calls that all come late with those before them, though the next is closer", () => {
    const ones = [18, 19, 20, 21].map((millis) => sighting(millis))
    const others = [15, 16, 17, 18].map((millis) => sighting(millis))
    assert.deepStrictEqual(
      pairByTime(ones, others, 5).map(([one, other]) => [one.millis, other.millis]),
      [
        [18, 15],
        [19, 16],
        [20, 17],
        [21, 18],
      ],
    )
  })

  it("prefers what agrees on more, and pairs only what is of one kind", () => {
    const pairs = pairByTime([sighting(4, "a", 1), sighting(4, "b")], [sighting(0, "a", 0), sighting(4, "a", 1)], 5)
    assert.deepStrictEqual(pairs, [[sighting(4, "a", 1), sighting(4, "a", 1)]])
    assert.lengthOf(pairByTime([sighting(4, "a", 1)], [sighting(0, "a", 0)], 5), 1)
  })

  it("makes as many pairs as can be, each close enough, and nothing is in two", () => {
    const times = fc.array(fc.nat(20), { maxLength: 6 })
    fc.assert(
      fc.property(times, times, fc.nat(4), (ones, others, mostApart) => {
        const pairs = pairByTime(
          ones.map((millis) => sighting(millis)),
          others.map((millis) => sighting(millis)),
          mostApart,
        )
        assert.lengthOf(pairs, mostPairs(ones, others, mostApart))
        assert.strictEqual(new Set(pairs.flat()).size, 2 * pairs.length)
        for (const [one, other] of pairs) assert.isAtMost(Math.abs(one.millis - other.millis), mostApart)
      }),
      { seed: 20_261_128, numRuns: 500 },
    )
  })
})
