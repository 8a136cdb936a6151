// What the hook costs: whole processes, each in turn with the others, so that a machine that grows slower slows all alike.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { cpus, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import Table from "cli-table3"

const ROUNDS = Number(process.argv[2] ?? 31)
const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "tooltrail-bench-"))
const environment = {
  PATH: process.env.PATH,
  TOOLTRAIL_HOME: join(folder, "home"),
  BENCH_DATABASE: join(folder, "plain.db"),
  BENCH_PHASES: join(folder, "phases.jsonl"),
}

let calls = 0
const payload = () =>
  JSON.stringify({
    session_id: "8bbcceab-0b3e-4e24-98c9-ec146b1ca8c6",
    cwd: root,
    permission_mode: "default",
    hook_event_name: "PostToolUse",
    tool_name: "Bash",
    tool_input: { command: "echo hello", description: "Echo hello" },
    tool_response: { stdout: "hello", stderr: "", interrupted: false, isImage: false },
    tool_use_id: `toolu_bench_${calls++}`,
    duration_ms: 49,
  })

/** Milliseconds from the start of a process to its end. */
const time = (args) => {
  const input = `${payload()}\n`
  const before = process.hrtime.bigint()
  const { status, stderr } = spawnSync(process.execPath, args, { env: environment, input })
  const after = process.hrtime.bigint()
  if (status !== 0 || stderr.length > 0) throw new Error(`${args.join(" ")} failed: ${stderr}`)
  return Number(after - before) / 1e6
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]

const hook = [join(root, "dist", "tooltrail-hook.cjs")]
const programs = {
  "node -e 0": ["-e", "0"],
  "plain better-sqlite3 script": [join(root, "bench", "plain.cjs")],
  "tooltrail-hook": hook,
}
const times = Object.fromEntries(Object.keys(programs).map((name) => [name, []]))
for (const args of Object.values(programs)) time(args)
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, args] of Object.entries(programs)) times[name].push(time(args))
}

for (let round = 0; round < ROUNDS; round++) time(["--require", join(root, "bench", "phases.cjs"), ...hook])
const runs = readFileSync(environment.BENCH_PHASES, "utf8").trim().split("\n").map(JSON.parse)
rmSync(folder, { recursive: true })

const print = (head, rows) => {
  const table = new Table({ head, style: { head: [], border: [] }, colAligns: ["left", "right", "right", "right"] })
  table.push(...rows)
  console.log(table.toString())
}

console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${ROUNDS} rounds\n`,
)
const [bare, plain] = [times["node -e 0"], times["plain better-sqlite3 script"]]
print(
  ["whole process", "median ms", "× bare node", "× plain script"],
  Object.entries(times).map(([name, values]) => [
    name,
    median(values).toFixed(1),
    median(values.map((value, round) => value / bare[round])).toFixed(2),
    median(values.map((value, round) => value / plain[round])).toFixed(2),
  ]),
)

const phases = runs[0].marks.map(([phase], place) => [
  phase,
  median(runs.map(({ marks }) => marks[place][1] - (marks[place - 1]?.[1] ?? 0))),
])
const inside = median(runs.map(({ marks }) => marks.at(-1)[1]))
print(
  ["phase of the hook", "median ms", "share"],
  phases.map(([phase, millis]) => [phase, millis.toFixed(2), `${((millis / inside) * 100).toFixed(0)}%`]),
)
console.log(`\npeak memory: ${(median(runs.map(({ maxRssKiB }) => maxRssKiB)) / 1024).toFixed(0)} MiB`)
