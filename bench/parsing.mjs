// The plain loop: every line of a folder of transcripts through JSON.parse, files read whole. node bench/parsing.mjs <folder>
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const [folder] = process.argv.slice(2)
let lines = 0
const started = performance.now()
for (const name of readdirSync(folder, { recursive: true })) {
  if (!name.endsWith(".jsonl")) continue
  for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
    if (line === "") continue
    JSON.parse(line)
    lines++
  }
}
console.log(JSON.stringify({ lines, seconds: (performance.now() - started) / 1000 }))
