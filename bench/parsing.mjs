// The plain loops: every line of a folder of transcripts through JSON.parse. node bench/parsing.mjs <folder> split|readline
import { createReadStream, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"

const [folder, way] = process.argv.slice(2)
const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".jsonl"))
let lines = 0
const take = (line) => {
  if (line === "") return
  JSON.parse(line)
  lines++
}
const started = performance.now()
for (const name of files) {
  const path = join(folder, name)
  if (way === "split") for (const line of readFileSync(path, "utf8").split("\n")) take(line)
  else for await (const line of createInterface({ input: createReadStream(path) })) take(line)
}
console.log(JSON.stringify({ lines, seconds: (performance.now() - started) / 1000 }))
