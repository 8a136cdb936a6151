// Drives the built `tooltrail serve` open-loop on a home of its own: node bench/serve.mjs [requests a second] [seconds]
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { performance } from "node:perf_hooks"
import { Worker } from "node:worker_threads"
import Database from "better-sqlite3"
import Table from "cli-table3"

const CLIENTS = 8
const [rate, seconds] = [process.argv[2] ?? "500", process.argv[3] ?? "60"].map(Number)
if (!(rate > 0 && seconds > 0)) throw new Error("usage: node bench/serve.mjs [requests a second] [seconds]")

const root = join(import.meta.dirname, "..")
const home = mkdtempSync(join(tmpdir(), "tooltrail-bench-"))
const server = spawn(process.execPath, [join(root, "dist", "tooltrail.cjs"), "serve", "--port", "0"], {
  env: { PATH: process.env.PATH, TOOLTRAIL_HOME: home },
  stdio: ["ignore", "inherit", "pipe"],
})
const ended = new Promise((resolve) => server.on("close", resolve))
// Whatever happens here, nothing is left running.
process.on("exit", () => {
  server.kill("SIGKILL")
  rmSync(home, { recursive: true, force: true })
})

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1))

const port = await new Promise((resolve, reject) => {
  let said = ""
  server.stderr.setEncoding("utf8").on("data", (text) => {
    said += text
    const address = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said)
    if (address !== null) resolve(Number(address[1]))
  })
  server.on("close", () => reject(new Error(`the server ended: ${said}`)))
})
const token = readFileSync(join(home, "serve.token"), "utf8").trim()

const now = () => performance.timeOrigin + performance.now()

const tools = ["Bash", "Read", "Edit", "Grep", "mcp__github__search"]
const payload = (n) =>
  JSON.stringify({
    hook_event_name: "PostToolUse",
    session_id: `session-${n % CLIENTS}`,
    cwd: root,
    tool_name: tools[n % tools.length],
    tool_use_id: `toolu_bench_${n}`,
    tool_input: { command: "ls -la" },
    tool_response: { stdout: "x".repeat(1500) },
    duration_ms: n % 1000,
  })

/**
 * A client's connection, kept alive, with one request under way at a time; the next waits. It writes the bytes itself, as
 * load generators do: node:http's client costs as much as the server that is to be measured.
 */
const openConnection = () => {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true })
  const waiting = []
  let received = ""
  const sendNext = () => {
    if (waiting.length === 0) return
    waiting[0].sentAt = now()
    socket.write(waiting[0].text)
  }
  socket.setEncoding("latin1").on("data", (text) => {
    received += text
    const headEnd = received.indexOf("\r\n\r\n")
    if (headEnd < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1])
    if (received.length < headEnd + 4 + length) return
    const answeredAt = now()
    const { resolve, reject, sentAt } = waiting.shift()
    if (received.startsWith("HTTP/1.1 200 ")) resolve({ sentAt, answeredAt })
    else reject(new Error(`answered ${received.slice(0, headEnd)}`))
    received = ""
    sendNext()
  })
  socket.on("error", (error) => {
    for (const { reject } of waiting.splice(0)) reject(error)
  })
  return {
    post: (text) =>
      new Promise((resolve, reject) => {
        waiting.push({ text, resolve, reject })
        if (waiting.length === 1) sendNext()
      }),
    close: () => socket.destroy(),
  }
}

const connections = Array.from({ length: CLIENTS }, openConnection)

const post = (n) => {
  const body = payload(n)
  return connections[n % CLIENTS].post(
    `POST /hook HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

/** Says when each request is due. It runs on a thread of its own, because it also waits for less than a timer's millisecond. */
const metronome = `
  const { parentPort, workerData } = require("node:worker_threads")
  const { performance } = require("node:perf_hooks")
  const cell = new Int32Array(new SharedArrayBuffer(4))
  const now = () => performance.timeOrigin + performance.now()
  const start = now() + 100
  for (let n = 0; n < workerData.total; n++) {
    const due = start + (n * 1000) / workerData.rate
    while (now() < due) Atomics.wait(cell, 0, 0, due - now())
    parentPort.postMessage(due)
  }
`

/**
 * Sends at the times that the rate sets, whatever the answers do. A latency counts from the request to the end of its
 * response, and once more from the time the request was due, which takes in what this generator was late and what waited.
 */
const drive = (first, total) =>
  new Promise((resolve) => {
    const fromRequest = []
    const fromDue = []
    const failures = []
    let next = first
    const finish = () => {
      if (fromDue.length + failures.length === total) resolve({ fromRequest, fromDue, failures })
    }
    new Worker(metronome, { eval: true, workerData: { total, rate } }).on("message", (due) => {
      post(next++)
        .then(
          ({ sentAt, answeredAt }) => {
            fromRequest.push(answeredAt - sentAt)
            fromDue.push(answeredAt - due)
          },
          (error) => failures.push(error.message),
        )
        .then(finish)
    })
  })

// What a server does in its first seconds is compiling.
const warmUp = Math.round(rate)
await drive(0, warmUp)
const total = Math.round(rate * seconds)
const { fromRequest, fromDue, failures } = await drive(warmUp, total)
for (const connection of connections) connection.close()
const stopping = performance.now()
server.kill("SIGTERM")
const code = await ended
const stopMillis = performance.now() - stopping

const database = new Database(join(home, "tooltrail.db"), { readonly: true })
const stored = database.prepare("SELECT count(*) AS n FROM tool_usage_events").get().n
const counted = database.prepare("SELECT sum(usage_count) AS n FROM tool_registry").get().n
database.close()

const percentiles = (latencies) => {
  const sorted = [...latencies].sort((a, b) => a - b)
  return [0.5, 0.9, 0.99, 1].map((share) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(2),
  )
}
const sent = warmUp + total
const isWhole = stored === sent && counted === sent
console.log(
  `\n\`tooltrail serve\`: ${total} requests, ${rate} a second from ${CLIENTS} clients; ${
    isWhole ? "all stored and counted" : `${stored} stored, ${counted} counted of ${sent}`
  }; stopped in ${stopMillis.toFixed(0)} ms\n`,
)
const table = new Table({
  head: ["latency, ms", "p50", "p90", "p99", "max"],
  style: { head: [], border: [] },
  colAligns: ["left", "right", "right", "right", "right"],
})
table.push(["from the request", ...percentiles(fromRequest)], ["from when it was due", ...percentiles(fromDue)])
console.log(table.toString())
if (failures.length > 0) console.error(`${failures.length} failed, first: ${failures[0]}`)
if (code !== 0) console.error(`the server ended with ${code}`)
process.exitCode = isWhole && failures.length === 0 && code === 0 ? 0 : 1
