import { assert, describe, it } from "@effect/vitest"
import { fromEpochMillis } from "../../src/domain/Timestamp.ts"
import { formatTime } from "../../src/programs/cli/render/time.ts"

const now = Date.UTC(2026, 10, 23, 12)

describe("formatTime", () => {
  it.each([
    [0, "now"],
    [59, "59 sec ago"],
    [60, "1 min ago"],
    [3599, "59 min ago"],
    [3600, "1 hr ago"],
    [86_399, "23 hr ago"],
    [86_400, "1 day ago"],
    [400 * 86_400, "400 days ago"],
    [-120, "in 2 min"],
  ])("%d seconds ago is %s", (seconds, expected) => {
    assert.strictEqual(formatTime(fromEpochMillis(now - seconds * 1000), { now, utc: false }), expected)
  })

  it("is absolute where that is wanted", () => {
    assert.strictEqual(formatTime(fromEpochMillis(now), { now, utc: true }), "2026-11-23 12:00:00Z")
  })
})
