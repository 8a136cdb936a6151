import { assert, describe, it } from "@effect/vitest"
import { nextBatchSize } from "../../src/programs/batchSize.ts"

const limits = { first: 200, fewest: 100, most: 5000, millis: 50 }

describe("the size of the next batch", () => {
  it.each<[string, number, number, number]>([
    ["is what would take the time", 1000, 100, 500],
    ["is the same where the time was right", 1000, 50, 1000],
    ["is at most four times as much", 200, 1, 800],
    ["is at most four times as much where there was no time to measure", 200, 0, 800],
    ["is no more than the most", 4000, 10, 5000],
    ["is no less than the fewest", 100, 60_000, 100],
    ["is whole", 1000, 150, 333],
  ])("%s", (_, calls, millis, next) => {
    assert.strictEqual(nextBatchSize(limits, calls, millis), next)
  })
})
