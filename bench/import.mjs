// Times reading and importing generated transcripts: node bench/import.mjs [--shape real|small] [--calls 25000] [--rounds 3]
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { cpus, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import Table from "cli-table3"
import { build } from "esbuild"
import { transcripts } from "./transcripts.mjs"

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "real" },
    calls: { type: "string", default: "25000" },
    rounds: { type: "string", default: "3" },
  },
})
const [calls, rounds] = [values.calls, values.rounds].map(Number)
if (!(calls > 0 && rounds > 0))
  throw new Error("usage: node bench/import.mjs [--shape real|small] [--calls 25000] [--rounds 3]")

const root = join(import.meta.dirname, "..")
const folder = transcripts(join(root, "node_modules", ".cache"), calls, values.shape)
const scratch = mkdtempSync(join(tmpdir(), "tooltrail-bench-"))
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }))

const files = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => join(folder, name))
const bytes = files.reduce((sum, path) => sum + statSync(path).size, 0)

const reading = join(scratch, "reading.cjs")
await build({
  entryPoints: [join(root, "bench", "reading.mjs")],
  outfile: reading,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  mainFields: ["module", "main"],
  logLevel: "error",
})

// Reports the process's peak memory when it ends.
const reporter = join(scratch, "peak.cjs")
const peak = join(scratch, "peak")
writeFileSync(
  reporter,
  `process.on("exit", () =>
    require("fs").writeFileSync(${JSON.stringify(peak)}, String(process.resourceUsage().maxRSS * 1024)))`,
)

/** Runs a program of Node to its end; what it printed, how long it took as a whole, and its peak memory. */
const run = (...args) => {
  const home = join(scratch, "home")
  rmSync(home, { recursive: true, force: true })
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--require", reporter, ...args], {
    env: { PATH: process.env.PATH, TOOLTRAIL_HOME: home },
    encoding: "utf8",
  })
  const seconds = (performance.now() - started) / 1000
  if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`)
  return { ...JSON.parse(stdout), whole: seconds, peak: Number(readFileSync(peak, "utf8")) }
}

const programs = [
  { name: "JSON.parse of each line, stores none", run: () => run(join(root, "bench", "parsing.mjs"), folder) },
  {
    name: "tooltrail reads every call, stores none",
    run: () => run(reading, folder),
  },
  {
    name: "tooltrail import, whole process",
    run: () => {
      const result = run(join(root, "dist", "tooltrail.cjs"), "import", folder, "--json")
      if (result.recorded !== calls) throw new Error(`recorded ${result.recorded} of ${calls} calls`)
      return { ...result, seconds: result.whole }
    },
  },
]

const results = programs.map(() => [])
for (let round = 0; round < rounds; round++)
  for (const [n, program] of programs.entries()) results[n].push(program.run())

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
const secondsOf = (n) => median(results[n].map(({ seconds }) => seconds))
const table = new Table({
  head: ["", "median s", "best s", "MB/s", "calls/s", "× parsing", "peak MB"],
  colAligns: ["left", ...Array.from({ length: 6 }, () => "right")],
  style: { head: [], border: [] },
})
for (const [n, { name }] of programs.entries()) {
  const seconds = secondsOf(n)
  table.push([
    name,
    seconds.toFixed(2),
    Math.min(...results[n].map((result) => result.seconds)).toFixed(2),
    (bytes / 1e6 / seconds).toFixed(0),
    Math.round(calls / seconds).toLocaleString("en"),
    (secondsOf(0) / seconds).toFixed(1),
    (Math.max(...results[n].map((result) => result.peak)) / 1e6).toFixed(0),
  ])
}
const [cpu] = cpus()
console.log(
  `${cpu?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${rounds} rounds
${calls.toLocaleString("en")} calls in ${files.length.toLocaleString("en")} transcripts of ${Math.round(bytes / 1e6).toLocaleString("en")} MB, ${values.shape}
${table}`,
)
