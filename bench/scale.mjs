// Times the questions on stores of many events, in process: node bench/scale.mjs [--events 1000000] [--data FOLDER], where the
// stores are kept. Needs `npm run build`.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs"
import { cpus, totalmem } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import * as SqlClient from "@effect/sql/SqlClient"
import Database from "better-sqlite3"
import Table from "cli-table3"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AllProjects } from "../dist/lib/domain/Project.js"
import { unhurried } from "../dist/lib/layers/connectSqlite.js"
import { SpoolFiles } from "../dist/lib/layers/SpoolFiles.js"
import { StoreLive } from "../dist/lib/layers/Store.js"
import { StoreDraftLive } from "../dist/lib/layers/StoreDraftSql.js"
import { draftBatches, importBatches, nextBatchSize } from "../dist/lib/programs/batchSize.js"
import { drainSpool } from "../dist/lib/programs/drainSpool.js"
import { recordToolUses } from "../dist/lib/programs/recordToolUses.js"
import { DrainLedger } from "../dist/lib/services/DrainLedger.js"
import { Home } from "../dist/lib/services/Home.js"
import { Spool } from "../dist/lib/services/Spool.js"
import { StoreDraft } from "../dist/lib/services/StoreDraft.js"
import { ToolRegistry } from "../dist/lib/services/ToolRegistry.js"
import { UsageEvents } from "../dist/lib/services/UsageEvents.js"
import { UsageReports } from "../dist/lib/services/UsageReports.js"
import { UsageRollups } from "../dist/lib/services/UsageRollups.js"
import { END, generateEvents, projectHash, toolName } from "./scaleData.mjs"

const FEWEST = 10_000
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
/** What all is held against; of less than a million, only to see that it runs. */
const SMALL = Math.min(100_000, Math.floor(size / 10))

const { data } = values
const INSERT = `
  INSERT INTO tool_usage_events (
    tool_name, session_id, project_hash, success, created_at, agent, tool_use_id, duration_ms, subagent, failure_kind, source)
  VALUES (@tool, @session, @project, @success, @at, 'claude-code', @id, @duration, @subagent,
    iif(@success, NULL, 'error'), 'hook')
  ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING`

const homeAt = (directory) =>
  Layer.succeed(Home, {
    directory,
    database: join(directory, "tooltrail.db"),
    log: join(directory, "tooltrail.log"),
    spool: join(directory, "spool"),
  })

const storeAt = (directory) => Layer.provide(StoreLive({ ...unhurried, whenMissing: "create" }), homeAt(directory))

const DAY = 86_400_000
const MIDNIGHT = END - (END % DAY)
/**
 * The present is on the last day of the data. What there is to read beside whole days depends on its time of that day: hours
 * up to the next place where the sum of a day can begin, and single calls up to the next place where that of an hour can.
 */
let present = MIDNIGHT
const clock = Object.assign(Object.create(Clock.make()), {
  currentTimeMillis: Effect.sync(() => present),
  unsafeCurrentTimeMillis: () => present,
})
/** The times of a day, as far from each other as they can be. */
const timesOfDay = (count) => Array.from({ length: count }, (_, place) => MIDNIGHT + (place * DAY) / count)

const run = (directory, effect) =>
  Effect.runPromise(effect.pipe(Effect.provide(storeAt(directory)), Effect.withClock(clock)))

const seconds = (since) => (performance.now() - since) / 1000

/** Adds the events of a store to its sums, as far as they are not there: it is new, or was made for an older schema. */
const fill = async (directory) => {
  const started = performance.now()
  await run(
    directory,
    Effect.flatMap(UsageRollups, ({ fillStep }) => Effect.repeat(fillStep(20_000), { while: (areLeft) => areLeft })),
  )
  return seconds(started)
}

/** A store of so many events, made unless it was made before. */
const storeOf = async (events) => {
  const directory = join(data, `events-${events}`)
  if (existsSync(directory)) {
    await fill(directory)
    return directory
  }
  const draft = `${directory}.draft`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  await run(draft, Effect.void)
  const started = performance.now()
  const database = new Database(join(draft, "tooltrail.db"))
  database.pragma("synchronous = OFF")
  database.pragma("cache_size = -256000")
  const triggers = database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all()
  for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`)
  const insert = database.prepare(INSERT)
  database.transaction(() => {
    for (const event of generateEvents(events)) insert.run(event)
  })()
  database.exec(`
    UPDATE rollup_state SET filled_to = 0, fill_until = ${events}, rolled_to = ${events};
    INSERT INTO tool_registry (name, tool_type, scope, source, project_hash, usage_count, last_used_at)
    SELECT tool_name, 'builtin', 'global', 'bench', project_hash, count(*), max(created_at)
    FROM tool_usage_events GROUP BY tool_name, project_hash`)
  for (const { sql } of triggers) database.exec(sql)
  database.close()
  const made = seconds(started)
  const filling = await fill(draft)
  renameSync(draft, directory)
  console.log(`made ${events} events in ${made.toFixed(0)} s, and their sums in ${filling.toFixed(0)} s`)
  return directory
}

const quantile = (numbers, share) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)]
const median = (numbers) => quantile(numbers, 0.5)

// A machine that others share is slow for some seconds now and then, so that as many take half a minute.
const RUNS = size >= 1_000_000 ? 1001 : 21
const WARM_UP_RUNS = size >= 1_000_000 ? 50 : 5
const REPORT_RUNS = 3

const millisecondsOf = (effect) => Effect.map(Effect.timed(effect), ([took]) => Duration.toMillis(took))

const project = projectHash(0)
const tool = toolName(0)

const questions = Effect.gen(function* () {
  const events = yield* UsageEvents
  const registry = yield* ToolRegistry
  const days = (amount) => ({ amount, unit: "days" })
  const [newest] = yield* events.getNewest(project, 1)
  return {
    "getUsageSince 1 day": events.getUsageSince(project, days(1)),
    "getUsageSince 7 days": events.getUsageSince(project, days(7)),
    "getUsageSince 30 days": events.getUsageSince(project, days(30)),
    "getUsageSince 90 days": events.getUsageSince(project, days(90)),
    "getUsageForTool 7 days": events.getUsageForTool(tool, project, days(7)),
    getUsageForSession: events.getUsageForSession(newest.session_id),
    tools: registry.getAvailableForSession(project),
  }
})
const bars = [1, 2, 3, 5, 1, 1, 5]

const month = { amount: 30, unit: "days" }

/** What tells medians, sessions and neighbours as well, which only the calls of the window know. */
const reports = Effect.map(UsageReports, ({ getReport, getToolReport }) => ({
  "top, one project": getReport("tool", project, month),
  "top, all projects": getReport("tool", AllProjects, month),
  "top --by server, all projects": getReport("server", AllProjects, month),
  "tool, all projects": getToolReport(tool, AllProjects, month),
}))

/** What each question takes in stores of two folders, which are asked in turn at each time of a day, each twice. */
const timings = (directories, questions, warmUpRuns, runs) =>
  Effect.gen(function* () {
    const asked = yield* Effect.forEach(directories, (directory) =>
      Effect.flatMap(Layer.build(storeAt(directory)), (store) => Effect.provide(questions, store)),
    )
    const took = {}
    const rounds = (name, count) =>
      Effect.forEach(timesOfDay(count), (time) => {
        present = time
        // What is timed has been asked once, so that its pages are there.
        return Effect.forEach(asked, (of) => Effect.zipRight(of[name], millisecondsOf(of[name])))
      })
    // Or the first question would be asked of code that is not compiled yet.
    for (const name of Object.keys(asked[0])) yield* rounds(name, warmUpRuns)
    for (const name of Object.keys(asked[0])) {
      const times = yield* rounds(name, runs)
      took[name] = directories.map((_, place) => times.map((each) => each[place]))
    }
    return took
  }).pipe(Effect.scoped, Effect.withClock(clock), Effect.runPromise)

const newTable = (head, ...aligns) =>
  new Table({
    head,
    style: { head: [], border: [] },
    colAligns: ["left", ...aligns.concat(head.slice(1).map(() => "right"))],
  })

const small = await storeOf(SMALL)
const large = await storeOf(size)
console.log(
  `\n${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, SQLite ${new Database(":memory:").prepare("SELECT sqlite_version()").pluck().get()}\n`,
)
const table = newTable([`median of ${RUNS}, ms`, `${SMALL} events`, `${size} events`, "×", "asked", "9 in 10 within"])
for (const [place, [name, [before, after]]] of Object.entries(
  await timings([small, large], questions, WARM_UP_RUNS, RUNS),
).entries()) {
  const took = [median(before), median(after)].map((each) => each.toFixed(2))
  // Of what both took at the same time of a day, one right after the other.
  const ratio = median(after.map((each, time) => each / before[time])).toFixed(2)
  table.push([name, ...took, ratio, `≤ ${bars[place]}`, quantile(after, 0.9).toFixed(2)])
}
console.log(table.toString())
const reportTable = newTable([`report of 30 days, median of ${REPORT_RUNS}, ms`, `${SMALL} events`, `${size} events`])
for (const [name, took] of Object.entries(await timings([small, large], reports, 0, REPORT_RUNS))) {
  reportTable.push([name, ...took.map((times) => median(times).toFixed(0))])
}
console.log(reportTable.toString())

// Writes go to copies, so that the stores stay as they are.
const scratch = join(data, "scratch")
rmSync(scratch, { recursive: true, force: true })
mkdirSync(scratch, { recursive: true, mode: 0o700 })

const FIXED = `
  CREATE TABLE tool_usage_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tool_name TEXT NOT NULL, session_id TEXT, project_hash TEXT,
    success INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL DEFAULT (datetime('now')));
  CREATE INDEX idx_tool_usage_events_tool ON tool_usage_events(tool_name, created_at DESC);
  CREATE INDEX idx_tool_usage_events_session ON tool_usage_events(session_id) WHERE session_id IS NOT NULL;
  CREATE INDEX idx_tool_usage_events_project_time ON tool_usage_events(project_hash, created_at DESC);`

const openPlain = (name, schema) => {
  const database = new Database(resolve(scratch, name))
  database.pragma("journal_mode = WAL")
  database.pragma("synchronous = NORMAL")
  database.exec(schema)
  return database
}

/** The store's own schema, without the triggers. */
const tableOf = (directory) => {
  const store = new Database(join(directory, "tooltrail.db"), { readonly: true })
  const statements = store
    .prepare(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = 'tool_usage_events' AND type IN ('table', 'index') AND sql IS NOT NULL",
    )
    .pluck()
    .all()
  store.close()
  return statements.join(";\n")
}

const BULK = SMALL
const bulk = [...generateEvents(BULK)]
const insertAll = (database, insert) =>
  database.transaction(() => {
    for (const event of bulk) insert.run(event)
  })()

// One event, each in a transaction of its own: turn about, into tables that hold as much already.
const plain = openPlain("plain.db", FIXED)
const plainInsert = plain.prepare(
  "INSERT INTO tool_usage_events (tool_name, session_id, project_hash, success, created_at) VALUES (@tool, @session, @project, @success, @at)",
)
insertAll(plain, plainInsert)
const whole = join(scratch, "whole")
mkdirSync(whole, { mode: 0o700 })
await run(whole, Effect.void)
const ours = new Database(join(whole, "tooltrail.db"))
ours.pragma("synchronous = NORMAL")
const ourInsert = ours.prepare(INSERT)
insertAll(ours, ourInsert)
const times = { plain: [], ours: [] }
for (const event of generateEvents(Math.min(20_000, size), 7)) {
  let started = performance.now()
  plainInsert.run(event)
  times.plain.push(performance.now() - started)
  started = performance.now()
  ourInsert.run({ ...event, id: `${event.id}-again` })
  times.ours.push(performance.now() - started)
}
ours.close()
plain.close()
const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length
const one = newTable(["one event, µs", "median", "mean"])
for (const [name, label] of [
  ["plain", "plain insert, three fixed indexes"],
  ["ours", "with all columns, the unique index and the sums"],
]) {
  one.push([label, (median(times[name]) * 1000).toFixed(1), (mean(times[name]) * 1000).toFixed(1)])
}
one.push([
  "×",
  (median(times.ours) / median(times.plain)).toFixed(2),
  (mean(times.ours) / mean(times.plain)).toFixed(2),
])
console.log(one.toString())

const uses = bulk.map(({ tool, session, project, success, at, id, duration, subagent }) => ({
  toolName: tool,
  agent: "claude-code",
  sessionId: session,
  projectHash: project,
  projectRoot: null,
  success: success === 1,
  usedAt: at,
  toolUseId: id,
  durationMs: duration,
  durationIsEstimated: false,
  subagent,
  target: null,
  serverName: null,
  failureKind: success === 1 ? null : "error",
  source: "transcript",
}))
// Longer as well than a machine is slow: then batches, which end when they have held the store for so long, are smaller besides.
const ROUNDS = SMALL < 100_000 ? 3 : 27

// Many at once: a loop in one transaction into the same table and indexes, and what an import does, in turn.
const loopRate = (round) => {
  const looped = openPlain(`looped-${round}.db`, tableOf(small))
  const insert = looped.prepare(INSERT)
  const started = performance.now()
  insertAll(looped, insert)
  const took = seconds(started)
  looped.close()
  return BULK / took
}

// As in `importTranscripts`, but for its pauses, and what it remembers of transcripts and of hooks that told of no id: no spans, and
// batches that hold the store as long as that lets them.
const inBatches = (limits, sizes, record) =>
  Effect.gen(function* () {
    const { atomically } = yield* DrainLedger
    let size = limits.first
    for (let from = 0; from < BULK; ) {
      const batch = uses.slice(from, from + size)
      const [took] = yield* Effect.timed(atomically(record(batch)))
      from += batch.length
      sizes.push(batch.length)
      size = nextBatchSize(limits, batch.length, Duration.toMillis(took))
    }
  }).pipe(Effect.withTracerEnabled(false))

const sizes = { imported: [], appended: [] }

// The loop's one COMMIT writes the WAL back; here that is done at every 20,000 pages, and at the end.
const intoStore = Effect.gen(function* () {
  yield* inBatches(importBatches, sizes.imported, recordToolUses)
  const sql = yield* SqlClient.SqlClient
  yield* sql`PRAGMA wal_checkpoint(PASSIVE)`
})

const importRate = (name, effect) => {
  const directory = join(scratch, name)
  mkdirSync(directory, { mode: 0o700 })
  return run(
    directory,
    Effect.map(Effect.timed(effect), ([took]) => BULK / Duration.toSeconds(took)).pipe(Effect.withClock(Clock.make())),
  )
}

const inDraft = Effect.flatMap(StoreDraft, ({ append, finish }) =>
  Effect.zipRight(
    inBatches(draftBatches, sizes.appended, (batch) => append([batch])),
    finish,
  ),
).pipe(Effect.provide(StoreDraftLive))

const rates = { looped: [], imported: [], appended: [] }
const ways = [
  async (round) => rates.looped.push(loopRate(round)),
  async (round) => rates.imported.push(await importRate(`batched-${round}`, intoStore)),
  async (round) => rates.appended.push(await importRate(`draft-${round}`, inDraft)),
]
// What one leaves to be written to the disk slows the next.
for (let round = 0; round < ROUNDS; round++) {
  for (const place of ways.keys()) await ways[(round + place) % ways.length](round)
}

// A spool has a file for each call: all of a drain, what of it the store takes, and a loop over the same files.
const SPOOLED = Math.min(20_000, SMALL)

const spoolAt = (directory) => {
  mkdirSync(join(directory, "spool"), { recursive: true, mode: 0o700 })
  for (const [place, use] of uses.slice(0, SPOOLED).entries()) {
    const name = `${String(place).padStart(15, "0")}-1-abcdefgh.json`
    writeFileSync(join(directory, "spool", name), `${JSON.stringify({ owed: "call", use })}\n`, { mode: 0o600 })
  }
}

const drain = async (directory) => {
  spoolAt(directory)
  let inFiles = 0
  const timed = (effect) =>
    Effect.suspend(() => {
      const started = performance.now()
      return Effect.ensuring(
        effect,
        Effect.sync(() => {
          inFiles += seconds(started)
        }),
      )
    })
  const timedSpool = Effect.map(Spool, (spool) => ({
    ...spool,
    list: timed(spool.list),
    read: (names) => timed(spool.read(names)),
    remove: (names) => timed(spool.remove(names)),
    keepReserve: timed(spool.keepReserve),
  })).pipe(Effect.provide(Layer.provide(SpoolFiles, homeAt(directory))))
  return run(
    directory,
    Effect.gen(function* () {
      const started = performance.now()
      if ((yield* drainSpool()) !== SPOOLED) throw new Error("not all is drained")
      return { inAll: seconds(started), inStore: seconds(started) - inFiles }
    }).pipe(Effect.provideServiceEffect(Spool, timedSpool)),
  )
}

const loopOverFiles = (directory) => {
  spoolAt(directory)
  const folder = join(directory, "spool")
  const database = openPlain(join(directory, "looped.db"), tableOf(small))
  const insert = database.prepare(INSERT)
  const started = performance.now()
  const names = readdirSync(folder).sort()
  database.transaction(() => {
    for (const name of names) {
      const { use } = JSON.parse(readFileSync(join(folder, name), "utf8"))
      insert.run({
        tool: use.toolName,
        session: use.sessionId,
        project: use.projectHash,
        success: use.success ? 1 : 0,
        at: use.usedAt,
        id: use.toolUseId,
        duration: use.durationMs,
        subagent: use.subagent,
      })
    }
  })()
  for (const name of names) unlinkSync(join(folder, name))
  const took = seconds(started)
  database.close()
  return took
}

const SPOOL_ROUNDS = Math.ceil(ROUNDS / 3)
const spoolTimes = { inAll: [], inStore: [], looped: [] }
for (let round = 0; round < SPOOL_ROUNDS; round++) {
  const { inAll, inStore } = await drain(join(scratch, `drained-${round}`))
  spoolTimes.inAll.push(inAll)
  spoolTimes.inStore.push(inStore)
  spoolTimes.looped.push(loopOverFiles(join(scratch, `looped-${round}`)))
}

const percent = (share) => `${(share * 100).toFixed(0)}%`
const plainRate = median(rates.looped)
const many = newTable([`${BULK} events at once, median of ${ROUNDS}`, "a second", "share", "9 in 10 above"])
many.push(["plain loop in one transaction, same indexes", plainRate.toFixed(0), percent(1), ""])
for (const [way, label] of [
  ["imported", "import into a store: recordToolUses in its batches, written back"],
  ["appended", "import into a new store: a draft of such batches, finished"],
]) {
  // Of the loop in the same round.
  const shares = rates[way].map((rate, round) => rate / rates.looped[round])
  many.push([label, median(rates[way]).toFixed(0), percent(median(shares)), percent(quantile(shares, 0.1))])
}
for (const [times, label] of [
  ["looped", `plain loop over a spool of ${SPOOLED}, which reads and removes its files`],
  ["inAll", "drainSpool of the same"],
  ["inStore", "drainSpool without reading, decoding and removing"],
]) {
  const spoolRates = spoolTimes[times].map((took) => SPOOLED / took)
  const shares = spoolRates.map((rate) => rate / plainRate)
  many.push([label, median(spoolRates).toFixed(0), percent(median(shares)), percent(quantile(shares, 0.1))])
}
console.log(many.toString())
console.log(`calls of a batch, median: ${median(sizes.imported)} of an import, ${median(sizes.appended)} of a draft`)
rmSync(scratch, { recursive: true, force: true })

const bytes = newTable(["bytes an event", ""])
const store = new Database(join(large, "tooltrail.db"), { readonly: true })
const parts = store.prepare("SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC").all()
for (const { name, bytes: total } of parts) if (total / size >= 0.05) bytes.push([name, (total / size).toFixed(1)])
store.close()
bytes.push(["in all", (statSync(join(large, "tooltrail.db")).size / size).toFixed(1)])
console.log(bytes.toString())
