import { assert, describe, it } from "@effect/vitest"
import { nextBatchSize, withRest } from "../../src/programs/record/batchSize.ts"

const limits = { fewest: 100, most: 5000, millis: 50 }

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

  it.each<[string, number, number, number]>([
    ["is as told where more are left", 1000, 5000, 1000],
    ["is all that are left where they are fewer", 1000, 400, 400],
    ["has a rest of a tenth as well", 1000, 1100, 1100],
    ["leaves a larger rest to a batch of its own", 1000, 1101, 1000],
  ])("%s", (_, size, left, taken) => {
    assert.strictEqual(withRest(size, left), taken)
  })
})
