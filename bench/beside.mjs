// How long hooks take beside an import: node bench/beside.mjs [--calls 500000] [--rounds 3]. They run one after the other, while
// `tooltrail import` fills a store that is there already, and before it. Needs `npm run build`.
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { cpus, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
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
const folder = transcripts(join(root, "node_modules", ".cache"), calls, "small")
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

/** Runs hooks as long as the condition holds, and returns how long each took. */
const runHooks = async (env, name, goesOn) => {
  const times = []
  while (goesOn(times.length)) {
    times.push(await runHook(env, `${name}-${times.length}`))
    await setTimeout(PAUSE_MILLIS)
  }
  return times
}

const ALONE = 30

const round = async (number) => {
  const home = join(scratch, String(number))
  const env = { PATH: process.env.PATH, TOOLTRAIL_HOME: home }
  await runHook(env, "first")
  const alone = await runHooks(env, "alone", (ran) => ran < ALONE)
  const started = performance.now()
  const importing = spawn(process.execPath, [program, "import", folder, "--json"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  })
  const summary = text(importing.stdout)
  const ended = once(importing, "exit").then(() => performance.now() - started)
  const beside = await runHooks(env, "beside", () => importing.exitCode === null && importing.signalCode === null)
  const seconds = (await ended) / 1000
  const { recorded } = JSON.parse(await summary)
  if (recorded !== calls) throw new Error(`${recorded} of ${calls} calls are imported`)
  const log = join(home, "tooltrail.log")
  const spooled = existsSync(log) ? readFileSync(log, "utf8").split("kept in the spool").length - 1 : 0
  const { stdout } = spawnSync(process.execPath, [program, "session", "s", "--json"], { env, encoding: "utf8" })
  const [{ usage_count: stored }] = JSON.parse(stdout)
  const ran = 1 + alone.length + beside.length
  if (stored !== ran) throw new Error(`${ran} hooks ran, ${stored} calls are stored`)
  rmSync(home, { recursive: true })
  const sorted = beside.toSorted((a, b) => a - b)
  const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  const median = alone.toSorted((a, b) => a - b)[alone.length >> 1]
  const figures = [median, ...[0.5, 0.9, 0.95, 1].map(quantile)].map((millis) => millis.toFixed(0))
  return [seconds.toFixed(1), beside.length, ...figures, spooled]
}

const table = new Table({
  head: ["import, s", "hooks", "alone, ms", "beside, ms", "p90", "p95", "longest", "spooled"],
  colAligns: Array.from({ length: 8 }, () => "right"),
  style: { head: [], border: [] },
})
for (let number = 0; number < rounds; number++) table.push(await round(number))
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}
${calls.toLocaleString("en")} calls imported into a store while hooks run, one after the other
${table}`,
)
