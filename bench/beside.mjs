// What hooks wait for beside an import: node bench/beside.mjs [--calls 500000] [--rounds 3]. They run one after the other, while
// `tooltrail import` fills a store that is there already. Needs `npm run build`.
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { parseArgs } from "node:util"
import Table from "cli-table3"
import { transcripts } from "./transcripts.mjs"

const { values } = parseArgs({
  options: { calls: { type: "string", default: "500000" }, rounds: { type: "string", default: "3" } },
})
const [calls, rounds] = [values.calls, values.rounds].map(Number)
if (!(calls > 0 && rounds > 0)) throw new Error("usage: node bench/beside.mjs [--calls 500000] [--rounds 3]")

const root = join(import.meta.dirname, "..")
const folder = transcripts(join(root, "node_modules", ".cache"), calls)
const scratch = mkdtempSync(join(tmpdir(), "tooltrail-bench-"))
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }))

const hook = join(root, "dist", "tooltrail-hook.cjs")
const program = join(root, "dist", "tooltrail.cjs")
/** Between two hooks. */
const PAUSE_MILLIS = 60

const payload = (id) =>
  JSON.stringify({ hook_event_name: "PostToolUse", session_id: "s", cwd: "/", tool_name: "Bash", tool_use_id: id })

const runHook = async (env, id) => {
  const started = performance.now()
  const child = spawn(process.execPath, [hook], { env, stdio: ["pipe", "ignore", "inherit"] })
  child.stdin.end(payload(id))
  await once(child, "exit")
  return performance.now() - started
}

const round = async (number) => {
  const home = join(scratch, String(number))
  const env = { PATH: process.env.PATH, TOOLTRAIL_HOME: home }
  await runHook(env, "first")
  const started = performance.now()
  const importing = spawn(process.execPath, [program, "import", folder, "--json"], { env, stdio: "ignore" })
  const ended = once(importing, "exit").then(() => performance.now() - started)
  const times = []
  while (importing.exitCode === null && importing.signalCode === null) {
    times.push(await runHook(env, `beside-${times.length}`))
    await setTimeout(PAUSE_MILLIS)
  }
  const seconds = (await ended) / 1000
  const { stdout } = spawnSync(process.execPath, [program, "session", "s", "--json"], { env, encoding: "utf8" })
  const [{ usage_count: recorded }] = JSON.parse(stdout)
  if (recorded !== times.length + 1) throw new Error(`${times.length + 1} hooks ran, ${recorded} calls are stored`)
  rmSync(home, { recursive: true })
  const sorted = times.toSorted((a, b) => a - b)
  const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return [seconds.toFixed(1), times.length, ...[0.5, 0.9, 0.95, 1].map((share) => quantile(share).toFixed(0))]
}

const table = new Table({
  head: ["import, s", "hooks", "median ms", "p90", "p95", "longest"],
  colAligns: Array.from({ length: 6 }, () => "right"),
  style: { head: [], border: [] },
})
for (let number = 0; number < rounds; number++) table.push(await round(number))
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}
${calls.toLocaleString("en")} calls imported into a store while hooks run, one after the other
${table}`,
)
