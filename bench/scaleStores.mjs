// The stores of many events that are asked, and are written into.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { commandConnection } from "../dist/lib/layers/store/connect.js"
import { StoreLive } from "../dist/lib/layers/store/Store.js"
import { Home } from "../dist/lib/services/Home.js"
import { StoreUpkeep } from "../dist/lib/services/StoreUpkeep.js"
import { secondsSince } from "./figures.mjs"
import { END, generateEvents } from "./scaleData.mjs"

export const INSERT = `
  INSERT INTO tool_usage_events (
    tool_name, session_id, project_hash, success, created_at, agent, tool_use_id, duration_ms, subagent, failure_kind, source)
  VALUES (@tool, @session, @project, @success, @at, 'claude-code', @id, @duration, @subagent,
    iif(@success, NULL, 'error'), 'hook')
  ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING`

export const homeAt = (directory) =>
  Layer.succeed(Home, {
    directory,
    database: join(directory, "tooltrail.db"),
    log: join(directory, "tooltrail.log"),
    spool: join(directory, "spool"),
  })

export const storeAt = (directory) =>
  Layer.provide(StoreLive({ ...commandConnection, whenMissing: "create" }), homeAt(directory))

export const run = (directory, effect) => Effect.runPromise(Effect.provide(effect, storeAt(directory)))

/** Adds the events of a store to its sums, as far as they are not there. */
const fold = async (directory) => {
  const started = performance.now()
  await run(
    directory,
    Effect.flatMap(StoreUpkeep, ({ foldSums }) => foldSums),
  )
  return secondsSince(started)
}

/** A store of so many events in a folder for such stores, made unless it was made today. */
export const storeOf = async (data, events) => {
  const directory = join(data, `events-${events}-${new Date(END).toISOString().slice(0, 10)}`)
  if (existsSync(directory)) return { events, directory }
  const draft = `${directory}.draft`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  await run(draft, Effect.void)
  const started = performance.now()
  const database = new Database(join(draft, "tooltrail.db"))
  database.pragma("synchronous = OFF")
  database.pragma("cache_size = -256000")
  const insert = database.prepare(INSERT)
  database.transaction(() => {
    for (const event of generateEvents(events)) insert.run(event)
  })()
  database.exec(`
    INSERT INTO tool_registry (name, tool_type, scope, source, project_hash, usage_count, last_used_at)
    SELECT tool_name, 'builtin', 'global', 'bench', project_hash, count(*), max(created_at)
    FROM tool_usage_events GROUP BY tool_name, project_hash`)
  database.close()
  const made = secondsSince(started)
  const filling = await fold(draft)
  renameSync(draft, directory)
  console.log(`made ${events} events in ${made.toFixed(0)} s, and their sums in ${filling.toFixed(0)} s`)
  return { events, directory }
}

/** A plain table of events beside the stores, with the statements that make it. */
export const openPlain = (path, schema) => {
  const database = new Database(path)
  database.pragma("journal_mode = WAL")
  database.pragma("synchronous = NORMAL")
  database.exec(schema)
  return database
}

/** The table and indexes of a store's events. */
export const tableOf = ({ directory }) => {
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
