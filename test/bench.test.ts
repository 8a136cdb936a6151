import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { runProgram, temporaryFolder } from "./support/processes.ts"

const program = join(import.meta.dirname, "..", "bench", "scale.mjs")

describe("the measurement of many events", () => {
  it("makes its stores, prints every table, and keeps nothing but the stores", async () => {
    const data = join(temporaryFolder(), "data")
    const { code, stdout, stderr } = await runProgram(program, { args: ["--events", "1000", "--data", data] })
    assert.deepStrictEqual([code, stderr], [0, ""])
    for (const row of [
      "getUsageSince 30 days",
      "top, all projects",
      "top --all-projects --since 30d",
      "×",
      "plain loop in one transaction",
      "in all",
    ]) {
      assert.match(stdout, new RegExp(`│ ${row}[^│]*│ +\\d`))
    }
    assert.isEmpty(readdirSync(data).filter((name) => !/^events-\d+-[\d-]+$/.test(name)))
  })

  it("refuses a size that it cannot make in one line", async () => {
    const data = join(temporaryFolder(), "data")
    const { code, stderr } = await runProgram(program, { args: ["--events", "many", "--data", data] })
    assert.deepStrictEqual([code, stderr], [1, '--events: "many" is not a whole number from 1000\n'])
    assert.isFalse(existsSync(data))
  })
})
