// Times writing one event, and many at once. Writes go to a folder of their own, so that the stores stay as they are.
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import Database from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { recordToolUses } from "../dist/lib/programs/record/recordToolUses.js"
import { Transaction } from "../dist/lib/services/Transaction.js"
import { mean, median, newTable, percent, quantile, secondsSince } from "./figures.mjs"
import { generateEvents } from "./scaleData.mjs"
import { INSERT, openPlain, run, tableOf } from "./scaleStores.mjs"

const FIXED = `
  CREATE TABLE tool_usage_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tool_name TEXT NOT NULL, session_id TEXT, project_hash TEXT,
    success INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL DEFAULT (datetime('now')));
  CREATE INDEX idx_tool_usage_events_tool ON tool_usage_events(tool_name, created_at DESC);
  CREATE INDEX idx_tool_usage_events_session ON tool_usage_events(session_id) WHERE session_id IS NOT NULL;
  CREATE INDEX idx_tool_usage_events_project_time ON tool_usage_events(project_hash, created_at DESC);`

const insertAll = (database, insert, events) =>
  database.transaction(() => {
    for (const event of events) insert.run(event)
  })()

/** Prints what one event takes, each in a transaction of its own: turn about, into tables that hold as much already. */
export const printOneEvent = async (scratch, already, count) => {
  const plain = openPlain(join(scratch, "plain.db"), FIXED)
  const plainInsert = plain.prepare(
    "INSERT INTO tool_usage_events (tool_name, session_id, project_hash, success, created_at) VALUES (@tool, @session, @project, @success, @at)",
  )
  insertAll(plain, plainInsert, already)
  const whole = join(scratch, "whole")
  mkdirSync(whole, { mode: 0o700 })
  await run(whole, Effect.void)
  const ours = new Database(join(whole, "tooltrail.db"))
  ours.pragma("synchronous = NORMAL")
  const ourInsert = ours.prepare(INSERT)
  insertAll(ours, ourInsert, already)
  const times = { plain: [], ours: [] }
  for (const event of generateEvents(count, 7)) {
    let started = performance.now()
    plainInsert.run(event)
    times.plain.push(performance.now() - started)
    started = performance.now()
    ourInsert.run({ ...event, id: `${event.id}-again` })
    times.ours.push(performance.now() - started)
  }
  ours.close()
  plain.close()
  const table = newTable(["one event, µs", "median", "mean"])
  for (const [name, label] of [
    ["plain", "plain insert, three fixed indexes"],
    ["ours", "with all columns, the unique index and the sums"],
  ]) {
    table.push([label, (median(times[name]) * 1000).toFixed(1), (mean(times[name]) * 1000).toFixed(1)])
  }
  table.push([
    "×",
    (median(times.ours) / median(times.plain)).toFixed(2),
    (mean(times.ours) / mean(times.plain)).toFixed(2),
  ])
  console.log(table.toString())
}

/** The calls of generated events. */
export const usesOf = (events) =>
  events.map(({ tool, session, project, success, at, id, duration, subagent }) => ({
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

/** Calls that an import stores in one transaction. */
const BATCH = 8000

// The loop's one COMMIT writes the WAL back; here that is done at every 20,000 pages, and at the end.
const intoStore = (uses) =>
  Effect.gen(function* () {
    const { atomically } = yield* Transaction
    for (let from = 0; from < uses.length; from += BATCH) {
      yield* atomically(recordToolUses(uses.slice(from, from + BATCH)))
    }
    const sql = yield* SqlClient.SqlClient
    yield* sql`PRAGMA wal_checkpoint(PASSIVE)`
  }).pipe(Effect.withTracerEnabled(false))

const timedIn = async (directory, effect) => {
  mkdirSync(directory, { mode: 0o700 })
  const [took] = await run(directory, Effect.timed(effect))
  return Duration.toSeconds(took)
}

/** How many seconds a loop takes, in one transaction, into the same table and indexes as a store's. */
export const loopOver = (path, store, events) => {
  const looped = openPlain(path, tableOf(store))
  const insert = looped.prepare(INSERT)
  const started = performance.now()
  insertAll(looped, insert, events)
  const took = secondsSince(started)
  looped.close()
  return took
}

/** Prints how many events a second there are in such a loop, and in what an import does. */
export const printManyEvents = async (scratch, store, events, rounds) => {
  const uses = usesOf(events)
  const ways = [
    {
      label: "plain loop in one transaction, same indexes",
      once: (round) => loopOver(join(scratch, `looped-${round}.db`), store, events),
    },
    {
      label: `recordToolUses in batches of ${BATCH}, written back`,
      once: (round) => timedIn(join(scratch, `batched-${round}`), intoStore(uses)),
    },
  ]
  const done = ways.map(() => [])
  // What one leaves to be written to the disk slows the next.
  for (let round = 0; round < rounds; round++) {
    for (const turn of ways.keys()) {
      const place = (round + turn) % ways.length
      done[place].push(await ways[place].once(round))
    }
  }
  const rates = done.map((each) => each.map((took) => events.length / took))
  const [looped] = rates
  const table = newTable([`${events.length} events at once, median of ${rounds}`, "a second", "share", "9 in 10 above"])
  for (const [place, { label }] of ways.entries()) {
    // Of the loop in the same round.
    const shares = rates[place].map((rate, round) => rate / looped[round])
    table.push([label, median(rates[place]).toFixed(0), percent(median(shares)), percent(quantile(shares, 0.1))])
  }
  console.log(table.toString())
}
