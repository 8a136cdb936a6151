// The least that could do the job: better-sqlite3 by itself reads one payload, opens a store, inserts one row and closes.
const { readFileSync } = require("node:fs")
const Database = require("better-sqlite3")

const payload = JSON.parse(readFileSync(0, "utf8"))
const database = new Database(process.env.BENCH_DATABASE)
database.pragma("journal_mode = WAL")
database.pragma("synchronous = NORMAL")
database.exec("CREATE TABLE IF NOT EXISTS calls (tool TEXT, session TEXT, id TEXT)")
database.prepare("INSERT INTO calls VALUES (?, ?, ?)").run(payload.tool_name, payload.session_id, payload.tool_use_id)
database.close()
