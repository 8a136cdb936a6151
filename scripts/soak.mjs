// Runs the built programs under load, kills, locks, full disks and damage, and counts what is there afterwards. With --short, a
// tenth of it, without the limit on how long a hook may take: what else runs on the machine must not decide.
import { spawn, spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { parseArgs } from "node:util"
import Database from "better-sqlite3"
import { transcripts } from "../bench/transcripts.mjs"

const { values: options } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    part: { type: "string", multiple: true, default: [..."abcdefg"] },
  },
})
const scaled = (count) => (options.short ? count / 10 : count)

const root = join(import.meta.dirname, "..")
const hookProgram = join(root, "dist", "tooltrail-hook.cjs")
const cliProgram = join(root, "dist", "tooltrail.cjs")
const work = mkdtempSync(join(tmpdir(), "tooltrail-soak-"))
chmodSync(work, 0o755)

const payload = (id) =>
  JSON.stringify({
    hook_event_name: "PostToolUse",
    tool_name: "Bash",
    tool_use_id: id,
    session_id: "s",
    cwd: "/nowhere",
  })

/** Runs a program; `killAfter` milliseconds it gets the signal. */
const run = (program, { home, args = [], input = "", uid, killAfter, signal = "SIGKILL" }) =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(process.execPath, [program, ...args], {
      cwd: "/",
      env: { PATH: process.env.PATH ?? "", TOOLTRAIL_HOME: home, CLAUDECODE: "1" },
      ...(uid === undefined ? {} : { uid }),
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (text) => (stdout += text))
    child.stderr.on("data", (text) => (stderr += text))
    child.stdin.on("error", () => {})
    child.on("error", reject)
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill(signal), killAfter)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr, millis: performance.now() - started })
    })
    child.stdin.end(input)
  })
const hook = (home, id, more = {}) => run(hookProgram, { home, input: payload(id), ...more })
const cli = (home, ...args) => run(cliProgram, { home, args })

/** Runs `count` jobs, `width` at a time. */
const inWaves = async (count, width, job) => {
  const done = []
  for (let first = 0; first < count; first += width) {
    const wave = Array.from({ length: Math.min(width, count - first) }, (_, n) => job(first + n))
    done.push(...(await Promise.all(wave)))
  }
  return done
}

const inStore = (home, read) => {
  const database = new Database(join(home, "tooltrail.db"))
  try {
    return read(database)
  } finally {
    database.close()
  }
}
const countsOf = (home) =>
  inStore(home, (database) => ({
    events: database.prepare("SELECT count(*) FROM tool_usage_events").pluck().get(),
    distinct: database.prepare("SELECT count(DISTINCT tool_use_id) FROM tool_usage_events").pluck().get(),
    aggregate: database.prepare("SELECT coalesce(sum(usage_count), 0) FROM tool_registry").pluck().get(),
  }))
const integrityOf = (home) => inStore(home, (database) => database.pragma("integrity_check", { simple: true }))
const spooled = (home) => {
  const folder = join(home, "spool")
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : []
}
const keptIds = (home) =>
  new Set([
    ...inStore(home, (database) => database.prepare("SELECT tool_use_id FROM tool_usage_events").pluck().all()),
    ...spooled(home).map((name) => JSON.parse(readFileSync(join(home, "spool", name), "utf8")).toolUseId),
  ])

const isQuiet = ({ code, stdout }) => code === 0 && stdout === ""
const lines = (text) => text.split("\n").filter((line) => line !== "")

let missed = 0
const report = (part, figures, held) => {
  if (!held) missed++
  console.log(`${held ? "holds " : "MISSED"}  ${part}  ${figures}`)
}

const atOnce = async () => {
  const [rounds, processes] = [scaled(20), 64]
  let [events, aggregate, failures, leftOver] = [0, 0, 0, 0]
  for (let round = 0; round < rounds; round++) {
    const home = join(work, `a${round}`)
    const finished = await Promise.all(Array.from({ length: processes }, (_, n) => hook(home, `${round}-${n}`)))
    failures += finished.filter((one) => !isQuiet(one)).length
    if (spooled(home).length > 0) await cli(home, "top")
    const counts = countsOf(home)
    events += counts.events
    aggregate += counts.aggregate
    leftOver += readdirSync(home).filter((name) => name.includes(".new-")).length
    rmSync(home, { recursive: true })
  }
  const wanted = rounds * processes
  report(
    "64 hooks at once",
    `${rounds} rounds: ${events} of ${wanted} events, aggregate ${aggregate}, ${failures} failures, ${leftOver} files left over`,
    events === wanted && aggregate === wanted && failures === 0 && leftOver === 0,
  )
}

const killed = async () => {
  const home = join(work, "b")
  const normal = []
  for (let n = 0; n < 5; n++) normal.push((await hook(home, `normal-${n}`)).millis)
  const usual = normal.sort((a, b) => a - b)[2]
  const count = scaled(500)
  const finished = []
  const checks = []
  let promised = normal.map((_, n) => `normal-${n}`)
  for (let n = 0; n < count; n++) {
    const one = await hook(home, `kill-${n}`, { killAfter: Math.random() * usual * 1.2 })
    finished.push(one)
    if (one.code === 0) promised.push(`kill-${n}`)
    if (n % 25 === 24) checks.push(integrityOf(home))
  }
  checks.push(integrityOf(home))
  const kept = keptIds(home)
  promised = promised.filter((id) => !kept.has(id))
  const victims = finished.filter(({ code }) => code !== 0).length
  const { events, aggregate } = countsOf(home)
  const doctor = await cli(home, "doctor", "--repair", "--json")
  const mended = countsOf(home)
  const broken = checks.filter((check) => check !== "ok").length
  report(
    "hooks killed at random",
    `${victims} of ${count} killed; integrity ok ${checks.length - broken} of ${checks.length}; ${promised.length} promised calls missing; ` +
      `aggregate off by ${Math.abs(events - aggregate)} before repair, ${Math.abs(mended.events - mended.aggregate)} after`,
    broken === 0 &&
      promised.length === 0 &&
      Math.abs(events - aggregate) <= victims &&
      mended.events === mended.aggregate &&
      doctor.code === 0,
  )
}

const locked = async () => {
  const home = join(work, "c")
  await hook(home, "first")
  const writer = new Database(join(home, "tooltrail.db"))
  writer.exec("BEGIN IMMEDIATE")
  const held = pause(scaled(30_000))
  const count = scaled(50)
  const finished = await inWaves(count, 4, (n) => hook(home, `locked-${n}`))
  await held
  writer.exec("COMMIT")
  writer.close()
  const longest = Math.max(...finished.map(({ millis }) => millis))
  const failures = finished.filter((one) => !isQuiet(one)).length
  await cli(home, "top")
  const { events, distinct, aggregate } = countsOf(home)
  report(
    "a writer holds the lock",
    `longest hook ${Math.round(longest)} ms, ${failures} failures; ${events - 1} of ${count} there after one query, aggregate ${aggregate - 1}`,
    (options.short || longest <= 2500) &&
      failures === 0 &&
      events === count + 1 &&
      distinct === events &&
      aggregate === events,
  )
}

const diskFull = async () => {
  const disk = join(work, "disk")
  mkdirSync(disk)
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tooltrail-soak", disk]).status !== 0) {
    console.log("        a full disk  not tried: no small disk can be mounted here")
    return
  }
  try {
    const home = join(disk, "home")
    await hook(home, "first")
    await cli(home, "top")
    const finished = []
    for (let wave = 0; wave < 5; wave++) {
      // As much as fits, to the last byte, also what the reserve gave back meanwhile.
      spawnSync("dd", ["if=/dev/zero", `of=${join(disk, `filling-${wave}`)}`, "bs=4k"], { stdio: "ignore" })
      finished.push(...(await inWaves(4, 4, (n) => hook(home, `full-${wave}-${n}`))))
    }
    // Later hooks may have stored these from the spool already, with the room that the reserve gave back.
    const kept = finished.filter(({ stderr }) => stderr.includes("kept in the spool")).length
    for (let wave = 0; wave < 5; wave++) rmSync(join(disk, `filling-${wave}`))
    await cli(home, "top")
    const { events, distinct, aggregate } = countsOf(home)
    const failures = finished.filter((one) => !isQuiet(one)).length
    const integrity = integrityOf(home)
    const reserve = statSync(join(home, "spool", "reserve"), { throwIfNoEntry: false })?.size ?? 0
    report(
      "a full disk",
      `${kept} of 20 spooled, ${21 - distinct} lost after one query, integrity ${integrity}, ${failures} failures, reserve ${reserve} bytes again`,
      distinct === 21 && events === 21 && aggregate === 21 && integrity === "ok" && failures === 0,
    )
  } finally {
    spawnSync("umount", [disk])
  }
}

const badHomes = async () => {
  const whole = join(work, "e")
  for (let n = 0; n < 3; n++) await hook(whole, `e-${n}`)
  const database = (home) => join(home, "tooltrail.db")
  const cases = {
    "read-only": (home) => {
      if (process.getuid?.() === 0) for (const path of [home, database(home)]) chownSync(path, 65534, 65534)
      chmodSync(database(home), 0o400)
      chmodSync(home, 0o500)
    },
    "a file": (home) => {
      rmSync(home, { recursive: true })
      writeFileSync(home, "precious")
    },
    "zero bytes": (home) => truncateSync(database(home), 0),
    "random bytes": (home) =>
      writeFileSync(database(home), Buffer.from(Array.from({ length: 9000 }, (_, n) => (n * 7919) % 251))),
    "cut in the middle": (home) => truncateSync(database(home), statSync(database(home)).size / 2),
    "of a newer schema": (home) =>
      inStore(home, (store) => store.exec("INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')")),
    "without its WAL": (home) => {
      const writer = new Database(database(home))
      writer.exec("INSERT INTO tool_usage_events (tool_name) VALUES ('Bash')")
      const copy = `${database(home)}.copy`
      copyFileSync(database(home), copy)
      writer.close()
      copyFileSync(copy, database(home))
      rmSync(copy)
    },
  }
  const failed = []
  for (const [name, spoil] of Object.entries(cases)) {
    const home = join(work, `e-${name.replaceAll(" ", "-")}`)
    cpSync(whole, home, { recursive: true })
    spoil(home)
    const file = name === "a file" ? home : database(home)
    const before = readFileSync(file)
    const asNobody = name === "read-only" && process.getuid?.() === 0
    const finished = await hook(home, "another", asNobody ? { uid: 65534 } : {})
    const said = lines(finished.stderr).length
    const silent = name === "without its WAL"
    const unchanged = silent ? integrityOf(home) === "ok" : before.equals(readFileSync(file))
    if (!isQuiet(finished) || !(silent ? said <= 1 : said === 1) || !unchanged) failed.push(name)
  }
  report(
    "bad homes",
    `${Object.keys(cases).length - failed.length} of ${Object.keys(cases).length} ${failed.join(", ")}`,
    failed.length === 0,
  )
}

const drains = async () => {
  const home = join(work, "f")
  await hook(home, "first")
  const count = scaled(10_000)
  const folder = join(home, "spool")
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const use = {
    toolName: "Bash",
    agent: "claude-code",
    sessionId: "s",
    projectHash: null,
    projectRoot: null,
    success: true,
    usedAt: "2026-01-01 00:00:00",
    durationMs: null,
    subagent: null,
    target: null,
    serverName: null,
    failureKind: null,
    source: "hook",
  }
  for (let n = 0; n < count; n++) {
    const line = JSON.stringify({ ...use, toolUseId: `spooled-${n}` })
    writeFileSync(join(folder, `${String(n).padStart(15, "0")}-1-a.json`), line, { mode: 0o600 })
  }
  const started = performance.now()
  const finished = await Promise.all(Array.from({ length: 20 }, () => cli(home, "top")))
  const seconds = (performance.now() - started) / 1000
  const failures = finished.filter(({ code }) => code !== 0).length
  if (spooled(home).length > 0) await cli(home, "top")
  const { events, aggregate } = countsOf(home)
  report(
    "20 drains at once",
    `${events - 1} of ${count} events, aggregate ${aggregate - 1}, ${spooled(home).length} left, ${failures} failures, ${seconds.toFixed(1)} s`,
    events === count + 1 && aggregate === count + 1 && spooled(home).length === 0 && failures === 0,
  )
}

const imports = async () => {
  const calls = 20_000
  const history = transcripts(work, calls, "small")
  const importOnce = (home, more) => run(cliProgram, { home, args: ["import", history, "--json"], ...more })
  const usual = (await importOnce(join(work, "g"))).millis
  const rounds = scaled(40)
  let [cut, wrong, whole] = [0, 0, 0]
  for (let round = 0; round < rounds; round++) {
    const home = join(work, `g${round}`)
    const signal = round % 2 === 0 ? "SIGKILL" : "SIGINT"
    await hook(home, "first")
    const [first, beside] = await Promise.all([
      importOnce(home, { killAfter: Math.random() * usual * 1.2, signal }),
      hook(home, "beside"),
    ])
    if (first.code !== 0) cut++
    // An interrupt that comes before the program listens ends it as a kill does.
    const isPlain = first.code === 0 || first.code === null || (signal === "SIGINT" && first.code === 130)
    const again = await importOnce(home)
    if (!isPlain || !isQuiet(beside) || again.code !== 0 || integrityOf(home) !== "ok") wrong++
    const { events, aggregate } = countsOf(home)
    if (events === calls + 2 && aggregate === events) whole++
    rmSync(home, { recursive: true })
  }
  report(
    "imports cut short, beside a hook",
    `${cut} of ${rounds} killed or interrupted, ${wrong} ended otherwise; ${whole} whole after one more import`,
    wrong === 0 && whole === rounds,
  )
}

const parts = { a: atOnce, b: killed, c: locked, d: diskFull, e: badHomes, f: drains, g: imports }
try {
  for (const part of options.part) {
    const started = performance.now()
    await parts[part]()
    console.log(`        ${((performance.now() - started) / 1000).toFixed(1)} s`)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
process.exitCode = missed > 0 ? 1 : 0
