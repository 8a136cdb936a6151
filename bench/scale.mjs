// Times the questions on stores of many events, in process: node bench/scale.mjs [--events 1000000] [--data FOLDER], the folder in which
// stores are kept. Needs `npm run build`.
import { mkdirSync, rmSync, statSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import Database from "better-sqlite3"
import { newTable } from "./figures.mjs"
import { generateEvents } from "./scaleData.mjs"
import { printCommands, printQuestions, printReports } from "./scaleQuestions.mjs"
import { storeOf } from "./scaleStores.mjs"
import { printManyEvents, printOneEvent } from "./scaleWrites.mjs"

const FEWEST = 1000
const { values } = parseArgs({
  options: {
    events: { type: "string", default: "1000000" },
    data: { type: "string", default: join(import.meta.dirname, ".data") },
  },
})
const size = Number(values.events)
if (!(Number.isSafeInteger(size) && size >= FEWEST)) {
  console.error(`--events: ${JSON.stringify(values.events)} is not a whole number from ${FEWEST}`)
  process.exit(1)
}
const data = resolve(values.data)
/** The size that all is compared with; below a million, only to see that it runs. */
const smallSize = Math.min(100_000, Math.floor(size / 10))
// A machine that others share is slow for some seconds now and then: questions are asked for half a minute, and writes are
// repeated for longer than that. While it is slow, batches, which end when they have held the store for so long, are smaller.
const runs = size >= 1_000_000 ? { warmUpRuns: 50, runs: 1001 } : { warmUpRuns: 1, runs: 3 }
const rounds = size >= 1_000_000 ? 27 : 1

const printBytes = ({ events, directory }) => {
  const file = join(directory, "tooltrail.db")
  const store = new Database(file, { readonly: true })
  const parts = store.prepare("SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC").all()
  store.close()
  const table = newTable(["bytes an event", ""])
  for (const { name, bytes } of parts) if (bytes / events >= 0.05) table.push([name, (bytes / events).toFixed(1)])
  table.push(["in all", (statSync(file).size / events).toFixed(1)])
  console.log(table.toString())
}

const small = await storeOf(data, smallSize)
const large = await storeOf(data, size)
console.log(
  `\n${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, SQLite ${new Database(":memory:").prepare("SELECT sqlite_version()").pluck().get()}\n`,
)
await printQuestions(small, large, runs)
await printReports(small, large)
printCommands([await storeOf(data, Math.min(10_000, size)), small, large], size >= 1_000_000 ? 21 : 1)

const scratch = join(data, "scratch")
rmSync(scratch, { recursive: true, force: true })
mkdirSync(scratch, { recursive: true, mode: 0o700 })
const events = [...generateEvents(smallSize)]
await printOneEvent(scratch, events, Math.min(20_000, size))
await printManyEvents(scratch, small, events, rounds)
rmSync(scratch, { recursive: true, force: true })

printBytes(large)
