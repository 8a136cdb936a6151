// What questions take of two stores that are asked the same in turn, in process.
import { deepStrictEqual } from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AllProjects } from "../dist/lib/domain/Project.js"
import { fromEpochMillis } from "../dist/lib/domain/Timestamp.js"
import { ToolRegistry } from "../dist/lib/services/ToolRegistry.js"
import { UsageEvents } from "../dist/lib/services/UsageEvents.js"
import { UsageReports } from "../dist/lib/services/UsageReports.js"
import { median, newTable, quantile } from "./figures.mjs"
import { END, projectHash, toolName } from "./scaleData.mjs"
import { storeAt } from "./scaleStores.mjs"

const DAY = 86_400_000
const MIDNIGHT = END - (END % DAY) - DAY
/**
 * The present is on the last day of the data. What must be read besides whole days depends on its time of that day: hours
 * up to the next day, and single calls up to the next hour.
 */
let present = MIDNIGHT
const clock = Object.assign(Object.create(Clock.make()), {
  currentTimeMillis: Effect.sync(() => present),
  unsafeCurrentTimeMillis: () => present,
})
/** The times of a day, as far from each other as they can be. */
const timesOfDay = (count) => Array.from({ length: count }, (_, place) => MIDNIGHT + (place * DAY) / count)

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

/** The most used tools of a month, from the events alone. Fails if the sums answer anything else. */
const plainUsage = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { getUsageSince } = yield* UsageEvents
  const plain = Effect.suspend(
    () => sql`
      SELECT tool_name, count(*) AS usage_count,
        count(*) FILTER (WHERE success = 0 AND failure_kind = 'error') AS failures, max(created_at) AS last_used
      FROM tool_usage_events
      WHERE project_hash = ${project} AND created_at >= ${fromEpochMillis(present - month.amount * DAY)}
        AND created_at <= ${fromEpochMillis(present)}
      GROUP BY tool_name ORDER BY usage_count DESC, tool_name`,
  )
  deepStrictEqual(yield* getUsageSince(project, month), yield* plain)
  return plain
})

/** With medians, sessions and neighbours. */
const reports = Effect.gen(function* () {
  const { getReport, getToolReport } = yield* UsageReports
  return {
    "top, one project": getReport("tool", project, month),
    "top, all projects": getReport("tool", AllProjects, month),
    "top --by server, all projects": getReport("server", AllProjects, month),
    "tool, all projects": getToolReport(tool, AllProjects, month),
    "getUsageSince as plain SQL over the events": yield* plainUsage,
  }
})

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

/** Prints what each question takes, warm, of two stores. */
export const printQuestions = async (small, large, { warmUpRuns, runs }) => {
  const table = newTable([
    `median of ${runs}, ms`,
    `${small.events} events`,
    `${large.events} events`,
    "×",
    "asked",
    "9 in 10 within",
  ])
  for (const [place, [name, [before, after]]] of Object.entries(
    await timings([small.directory, large.directory], questions, warmUpRuns, runs),
  ).entries()) {
    const took = [median(before), median(after)].map((each) => each.toFixed(2))
    // Of the times of both at the same time of a day, one right after the other.
    const ratio = median(after.map((each, time) => each / before[time])).toFixed(2)
    table.push([name, ...took, ratio, `≤ ${bars[place]}`, quantile(after, 0.9).toFixed(2)])
  }
  console.log(table.toString())
}

const REPORT_RUNS = 3

/** The same of reports, which take longer. */
export const printReports = async (small, large) => {
  const table = newTable([
    `report of 30 days, median of ${REPORT_RUNS}, ms`,
    `${small.events} events`,
    `${large.events} events`,
  ])
  for (const [name, took] of Object.entries(
    await timings([small.directory, large.directory], reports, 0, REPORT_RUNS),
  )) {
    table.push([name, ...took.map((times) => median(times).toFixed(0))])
  }
  console.log(table.toString())
}

/** What commands take as whole processes, by the store. */
export const printCommands = (stores, rounds) => {
  const commands = {
    "top --all-projects --since 30d": ["top", "--all-projects", "--since", "30d"],
    "tool --all-projects --since 30d": ["tool", tool, "--all-projects", "--since", "30d"],
  }
  const program = join(import.meta.dirname, "..", "dist", "tooltrail.cjs")
  const { NODE_EXTRA_CA_CERTS: _slow, ...env } = process.env
  const timed = (args, directory) => {
    const started = performance.now()
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], {
      env: { ...env, TOOLTRAIL_HOME: directory },
      encoding: "utf8",
    })
    if (status !== 0) throw new Error(stderr)
    return performance.now() - started
  }
  const table = newTable([`process, median of ${rounds}, ms`, ...stores.map(({ events }) => `${events} events`)])
  for (const [name, args] of Object.entries(commands)) {
    const times = stores.map(() => [])
    for (let round = 0; round < rounds; round++) {
      for (const [place, { directory }] of stores.entries()) times[place].push(timed(args, directory))
    }
    table.push([name, ...times.map((each) => median(each).toFixed(0))])
  }
  console.log(table.toString())
}
