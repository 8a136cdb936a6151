import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { runProgram, temporaryFolder } from "./support/processes.ts"

const program = join(import.meta.dirname, "..", "bench", "scale.mjs")

describe("the measurement of many events", () => {
  it("makes its stores, prints every figure there is a bar for, and keeps nothing but the stores", async () => {
    const data = join(temporaryFolder(), "data")
    const { code, stdout, stderr } = await runProgram(program, { args: ["--events", "10000", "--data", data] })
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.match(stdout, /made 1000 events in \d+ s/)
    assert.match(stdout, /made 10000 events in \d+ s/)
    for (const [question, bar] of [
      ["getUsageSince 1 day", 1],
      ["getUsageSince 7 days", 2],
      ["getUsageSince 30 days", 3],
      ["getUsageSince 90 days", 5],
      ["getUsageForTool 7 days", 1],
      ["getUsageForSession", 1],
      ["tools", 5],
    ]) {
      assert.match(
        stdout,
        new RegExp(`│ ${question} +│ +\\d+\\.\\d\\d │ +\\d+\\.\\d\\d │ +\\d+\\.\\d\\d │ +≤ ${bar} │`),
      )
    }
    assert.match(stdout, /│ getUsageSince as plain SQL over the events +│ +\d+ │ +\d+ │/)
    for (const way of ["plain loop in one transaction", "import into a store", "import into a new store"]) {
      assert.match(stdout, new RegExp(`│ ${way}[^│]*│ +[1-9]\\d* │ +[1-9]\\d* │ +[1-9]\\d*% │`))
    }
    for (const way of ["plain loop, which reads", "drainSpool", "drainSpool without reading"]) {
      assert.match(stdout, new RegExp(`│ ${way}[^│]*│ +[1-9]\\d* │ +[1-9]\\d*% │`))
    }
    assert.match(stdout, /│ × +│ +\d+\.\d\d │ +\d+\.\d\d │/)
    assert.match(stdout, /│ in all +│ +\d+\.\d │/)
    assert.deepStrictEqual(readdirSync(data).sort(), ["events-1000", "events-10000"])
  })

  it("refuses a size that it cannot make in one line", async () => {
    const data = join(temporaryFolder(), "data")
    const { code, stderr } = await runProgram(program, { args: ["--events", "many", "--data", data] })
    assert.deepStrictEqual([code, stderr], [1, '--events: "many" is not a whole number from 10000\n'])
    assert.isFalse(existsSync(data))
  })
})
