import { createHash } from "node:crypto"
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import { rollUpRecent } from "../../src/layers/store/addToRollups.ts"
import { connectSqlite, unhurried } from "../../src/layers/store/connect.ts"
import { withImmediateTransaction } from "../../src/layers/store/immediateTransaction.ts"
import { latestMigration } from "../../src/layers/store/latestMigration.ts"
import { migrations } from "../../src/layers/store/migrations.ts"
import { SqliteLive, SqliteMemory } from "../../src/layers/store/openStore.ts"
import { bucketColumns } from "../../src/layers/store/rollupTables.ts"
import { makeRollupQueries } from "../../src/layers/store/StoreUpkeepSql.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"

const live = (directory: string, whenMissing: "create" | "fail" = "create", busyTimeoutMillis = 50) =>
  Layer.provide(SqliteLive({ busyTimeoutMillis, checkpointPages: 1000, whenMissing }), homeAt(directory))

const freshHome = () => join(temporaryFolder(), "a", "home")

const schemaOf = (sql: SqlClient.SqlClient) => sql`SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name`

const migrateTo = (sql: SqlClient.SqlClient) => (last: number) =>
  Migrator.make({})({
    loader: Migrator.fromRecord(
      Record.filter(migrations, (_, key) => Number.parseInt(key, 10) <= last) as typeof migrations,
    ),
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql))

describe("SqliteLive", () => {
  it.effect("makes folder and store for the owner only, in WAL mode with synchronous NORMAL", () => {
    const home = freshHome()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO projects VALUES ('h', 'r', 'n', 'f', 'l')`
      assert.deepStrictEqual(yield* sql`PRAGMA journal_mode`, [{ journal_mode: "wal" }])
      assert.deepStrictEqual(yield* sql`PRAGMA synchronous`, [{ synchronous: 1 }])
      assert.strictEqual(statSync(home).mode & 0o777, 0o700)
      assert.includeMembers(readdirSync(home), ["tooltrail.db", "tooltrail.db-wal"])
      for (const file of readdirSync(home)) assert.strictEqual(statSync(join(home, file)).mode & 0o777, 0o600, file)
    }).pipe(Effect.provide(live(home)))
  })

  it.effect("leaves no draft behind, and finds the store again", () => {
    const home = freshHome()
    return Effect.gen(function* () {
      for (const rows of [1, 2]) {
        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO tool_usage_events (tool_name) VALUES ('Bash')`
          assert.lengthOf(yield* sql`SELECT * FROM tool_usage_events`, rows)
        }).pipe(Effect.provide(live(home)))
        assert.deepStrictEqual(readdirSync(home), ["tooltrail.db"])
      }
    })
  })

  it.effect("writes back at its end what much writing left in the WAL, where others keep the store open", () => {
    const home = freshHome()
    const unhurriedly = Layer.provide(SqliteLive({ ...unhurried, whenMissing: "create" }), homeAt(home))
    return Effect.gen(function* () {
      yield* Effect.provide(SqlClient.SqlClient, live(home))
      const other = new Database(join(home, "tooltrail.db"))
      other.prepare("SELECT count(*) FROM tool_usage_events").all()
      yield* Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql`INSERT INTO tool_usage_events (tool_name) VALUES ('Bash')`,
      ).pipe(Effect.provide(unhurriedly))
      const copy = join(home, "copy.db")
      copyFileSync(join(home, "tooltrail.db"), copy)
      other.close()
      const alone = new Database(copy)
      assert.lengthOf(alone.prepare("SELECT * FROM tool_usage_events").all(), 1)
      alone.close()
    })
  })

  it.effect("does not create what is only to be read", () => {
    const home = freshHome()
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(home, "fail")))
      assert.strictEqual(error._tag, "StoreMissing")
      assert.throws(() => statSync(home), "ENOENT")
    })
  })

  it("knows the number of its newest migration", () => {
    assert.strictEqual(latestMigration, Math.max(...Object.keys(migrations).map((key) => Number.parseInt(key, 10))))
    for (const key of Object.keys(migrations)) assert.match(key, /^\d{4}_[a-z_]+$/)
  })

  it.effect("has the same schema as the store in memory", () =>
    Effect.gen(function* () {
      const onDisk = yield* Effect.provide(Effect.flatMap(SqlClient.SqlClient, schemaOf), live(freshHome()))
      const inMemory = yield* Effect.provide(Effect.flatMap(SqlClient.SqlClient, schemaOf), SqliteMemory)
      assert.isAbove(onDisk.length, 10)
      assert.deepStrictEqual(onDisk, inMemory)
    }),
  )

  it.effect("brings an older store up to date and keeps its rows", () => {
    const home = freshHome()
    mkdirSync(home, { recursive: true })
    const older = new Database(join(home, "tooltrail.db"))
    older.exec(readFileSync(join(import.meta.dirname, "..", "fixtures", "schema-17.sql"), "utf8"))
    older.close()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT tool_name, session_id, success, source FROM tool_usage_events`, [
        { tool_name: "Bash", session_id: "s", success: 0, source: null },
      ])
      assert.deepStrictEqual(yield* sql`PRAGMA journal_mode`, [{ journal_mode: "wal" }])
      assert.strictEqual(statSync(join(home, "tooltrail.db")).mode & 0o777, 0o600)
      const migrated = yield* schemaOf(sql)
      const fresh = yield* Effect.provide(Effect.flatMap(SqlClient.SqlClient, schemaOf), SqliteMemory)
      assert.deepStrictEqual(
        migrated.map((row) => row.name),
        fresh.map((row) => row.name),
      )
    }).pipe(Effect.provide(live(home)))
  })

  it.effect("keeps the sums of pruned days of an older store, and adds its calls to the others anew", () => {
    const insert = (sql: SqlClient.SqlClient, id: number | null) => sql`
      INSERT INTO tool_usage_events (id, tool_name, created_at) VALUES (${id}, 'Bash', '2026-11-23 12:00:00')`
    const sums = (sql: SqlClient.SqlClient) =>
      sql`SELECT day, uses FROM usage_by_day UNION ALL SELECT hour, sum(uses) FROM usage_by_hour GROUP BY hour`
    const noSums = `last_used, uses, failures, interruptions, duration_ms, ${bucketColumns.join(", ")}`
    const zeros = Array.from({ length: bucketColumns.length + 3 }, () => 0).join(", ")
    return Effect.gen(function* () {
      const sql = yield* connectSqlite(":memory:", { busyTimeoutMillis: 0, checkpointPages: 0 })
      const upTo = migrateTo(sql)
      const addOldTrigger = (name: string) =>
        sql.unsafe(`CREATE TRIGGER ${name} AFTER INSERT ON tool_usage_events BEGIN SELECT RAISE(ABORT, 'old'); END`)
      yield* upTo(22)
      yield* Effect.forEach(["roll_up_event", "roll_back_event"], addOldTrigger)
      yield* upTo(23)
      yield* insert(sql, 3)
      for (const [period, texts] of [
        ["day", ["2026-11-01", "2026-11-23"]],
        ["hour", ["2026-11-23 12"]],
      ] as const) {
        for (const text of texts) {
          yield* sql.unsafe(`
            INSERT INTO usage_by_${period} (series_id, ${period}, ${noSums}) VALUES (1, '${text}', '${text}', 7, ${zeros})`)
        }
      }
      yield* sql`INSERT INTO usage_series (tool_name) VALUES ('Bash')`
      yield* sql`UPDATE rollup_state SET rolled_to = 3, pruned_before = '2026-11-20'`
      yield* Effect.forEach(["roll_up_recent", "roll_up_late"], addOldTrigger)
      yield* upTo(latestMigration)
      assert.deepStrictEqual(yield* sums(sql), [{ day: "2026-11-01", uses: 7 }])
      assert.deepStrictEqual(yield* sql`SELECT pruned_before, forgotten_before FROM rollup_state`, [
        { pruned_before: "2026-11-20", forgotten_before: "2026-11-20" },
      ])
      yield* insert(sql, null)
      yield* rollUpRecent(sql)
      const { fillStep } = makeRollupQueries(sql)
      assert.isFalse(yield* fillStep(10))
      assert.deepStrictEqual(yield* sums(sql), [
        { day: "2026-11-01", uses: 7 },
        { day: "2026-11-23", uses: 2 },
        { day: "2026-11-23 12", uses: 2 },
      ])
      yield* sql`DELETE FROM tool_usage_events WHERE id = 3`
      assert.deepStrictEqual(
        (yield* sums(sql)).map(({ uses }) => uses),
        [7, 1, 1],
      )
    }).pipe(Effect.scoped)
  })

  it.effect("adds the calls of an older store anew where its sums were not cut yet", () =>
    Effect.gen(function* () {
      const sql = yield* connectSqlite(":memory:", { busyTimeoutMillis: 0, checkpointPages: 0 })
      const upTo = migrateTo(sql)
      yield* upTo(24)
      const insert = (tool: string, at: string) =>
        sql`INSERT INTO tool_usage_events (tool_name, success, created_at) VALUES (${tool}, ${tool === "Bash" ? 0 : 1}, ${at})`
      for (const time of ["05:59:59", "06:00:00", "11:29:59", "11:30:00", "18:00:00"]) {
        yield* insert("Bash", `2026-11-23 ${time}`)
      }
      yield* insert("Read", "2026-11-24 00:00:00")
      const none = Array.from({ length: bucketColumns.length + 3 }, () => 0).join(", ")
      const columns = `last_used, uses, failures, interruptions, duration_ms, ${bucketColumns.join(", ")}`
      yield* sql.unsafe(`
        INSERT INTO usage_by_hour (day, series_id, hour, ${columns})
        VALUES ('2026-11-23', 1, '2026-11-23 05', '2026-11-23 05:59:59', 1, ${none})`)
      yield* sql.unsafe(`
        INSERT INTO usage_by_day (series_id, day, ${columns})
        VALUES (1, '2026-11-23', '2026-11-23 05:59:59', 1, ${none})`)
      yield* sql`UPDATE rollup_state SET rolled_to = 6`
      yield* upTo(latestMigration)
      const { fillStep, findDrift } = makeRollupQueries(sql)
      assert.isFalse(yield* fillStep(10))
      assert.deepStrictEqual(yield* findDrift, [])
      assert.deepStrictEqual(
        yield* sql`
          SELECT day, uses, uses_before_06, failures_before_06, uses_before_12, failures_before_12, uses_before_18,
            failures_before_18 FROM usage_by_day ORDER BY day`.values,
        [
          ["2026-11-23", 5, 1, 1, 4, 4, 4, 4],
          ["2026-11-24", 1, 1, 0, 1, 0, 1, 0],
        ],
      )
      assert.deepStrictEqual(
        yield* sql`SELECT hour, uses, uses_before_30, failures_before_30 FROM usage_by_hour ORDER BY hour`.values,
        [
          ["2026-11-23 05", 1, 0, 0],
          ["2026-11-23 06", 1, 1, 1],
          ["2026-11-23 11", 2, 1, 1],
          ["2026-11-23 18", 1, 1, 1],
          ["2026-11-24 00", 1, 1, 0],
        ],
      )
      for (const [table, column] of [
        ["usage_by_day", "uses_before_12"],
        ["usage_by_hour", "failures_before_30"],
      ]) {
        yield* sql.unsafe(`UPDATE ${table} SET ${column} = ${column} + 1 WHERE day = '2026-11-23'`)
        assert.isNotEmpty(yield* findDrift, table)
        yield* sql.unsafe(`UPDATE ${table} SET ${column} = ${column} - 1 WHERE day = '2026-11-23'`)
      }
      assert.deepStrictEqual(yield* findDrift, [])
    }).pipe(Effect.scoped),
  )

  it.effect("does not take an older store for pruned that had nothing to prune", () =>
    Effect.gen(function* () {
      const sql = yield* connectSqlite(":memory:", { busyTimeoutMillis: 0, checkpointPages: 0 })
      const upTo = migrateTo(sql)
      yield* upTo(26)
      yield* sql`UPDATE rollup_state SET pruned_before = '2026-11-20'`
      yield* upTo(latestMigration)
      yield* sql`INSERT INTO tool_usage_events (tool_name, created_at) VALUES ('Bash', '2026-11-01 12:00:00')`
      assert.deepStrictEqual(
        yield* sql`SELECT pruned_before, forgotten_before, (SELECT count(*) FROM tool_usage_events) AS events FROM rollup_state`,
        [{ pruned_before: null, forgotten_before: null, events: 1 }],
      )
    }).pipe(Effect.scoped),
  )

  it.effect("keeps by which names an older store knows the events of others, and reads transcripts once more", () =>
    Effect.gen(function* () {
      const sql = yield* connectSqlite(":memory:", { busyTimeoutMillis: 0, checkpointPages: 0 })
      const upTo = migrateTo(sql)
      yield* upTo(27)
      yield* sql`INSERT INTO imported_events VALUES ('other', 7, '2026-11-20 00:00:00', 1), ('other', 8, '2026-11-20 00:00:00', 2)`
      yield* sql`INSERT INTO transcript_files VALUES ('/s.jsonl', 1, 1, 1, 1, 'of its beginning', '')`
      yield* upTo(latestMigration)
      assert.deepStrictEqual(yield* sql`SELECT fingerprint FROM transcript_files`, [])
      yield* sql`INSERT INTO event_origins VALUES ('third', 7, '2026-11-20 00:00:00', 1)`
      assert.deepStrictEqual(
        yield* sql`SELECT origin, origin_id, event_id FROM event_origins ORDER BY origin, origin_id`.values,
        [
          ["other", 7, 1],
          ["other", 8, 2],
          ["third", 7, 1],
        ],
      )
      assert.deepStrictEqual(yield* sql`PRAGMA integrity_check`, [{ integrity_check: "ok" }])
    }).pipe(Effect.scoped),
  )

  it.effect("gives triggers new names, by which an older program that still runs does not find them", () =>
    Effect.gen(function* () {
      const sql = yield* connectSqlite(":memory:", { busyTimeoutMillis: 0, checkpointPages: 0 })
      const upTo = migrateTo(sql)
      yield* upTo(25)
      const old = ["keep_pruned", "sums_add_recent", "sums_add_late", "sums_take_away", "sums_change"]
      yield* Effect.forEach(old, (name) =>
        sql.unsafe(`CREATE TRIGGER ${name} AFTER INSERT ON tool_usage_events BEGIN SELECT RAISE(ABORT, 'old'); END`),
      )
      yield* upTo(latestMigration)
      const made = yield* sql`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name`
      assert.deepStrictEqual(
        made.map(({ name }) => name),
        old.map((name) => `${name}_27`).sort(),
      )
      // Where they change, a migration is to make them by other names.
      assert.strictEqual(createHash("sha256").update(JSON.stringify(made)).digest("hex").slice(0, 12), "195afd692d3b")
    }).pipe(Effect.scoped),
  )

  it.effect("undoes by its journal what a process left half written, that was killed", () => {
    const home = freshHome()
    const file = join(home, "tooltrail.db")
    return Effect.gen(function* () {
      yield* Effect.provide(SqlClient.SqlClient, live(home))
      const writer = new Database(file)
      writer.pragma("journal_mode = DELETE")
      writer.pragma("synchronous = OFF")
      writer.pragma("cache_size = 5")
      writer.exec("BEGIN; INSERT INTO tool_usage_events (tool_name) VALUES ('whole'); COMMIT; BEGIN")
      const half = writer.prepare("INSERT INTO tool_usage_events (tool_name, target) VALUES ('half', ?)")
      for (let n = 0; n < 200; n++) half.run("t".repeat(1000))
      const left = [readFileSync(file), readFileSync(`${file}-journal`)] as const
      writer.close()
      // Shorter than it says itself, as where it is killed behind the first page.
      left[0].writeUInt32BE(1_000_000, 28)
      writeFileSync(file, left[0])
      writeFileSync(`${file}-journal`, left[1])
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SELECT tool_name FROM tool_usage_events`, [{ tool_name: "whole" }])
        assert.deepStrictEqual(yield* sql`PRAGMA integrity_check`, [{ integrity_check: "ok" }])
      }).pipe(Effect.provide(live(home)))
    })
  })

  it.effect("removes the drafts of processes that were killed", () => {
    const home = freshHome()
    mkdirSync(home, { recursive: true })
    const [old, young] = [join(home, "tooltrail.db.new-1-a"), join(home, "tooltrail.db.new-2-b")]
    for (const draft of [old, young]) writeFileSync(draft, "")
    utimesSync(old, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000))
    return Effect.gen(function* () {
      yield* Effect.provide(SqlClient.SqlClient, live(home))
      assert.deepStrictEqual(readdirSync(home), ["tooltrail.db", "tooltrail.db.new-2-b"])
    })
  })

  it.effect("refuses a store that a newer program made, and leaves it as it is", () => {
    const home = freshHome()
    return Effect.gen(function* () {
      yield* Effect.provide(
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`INSERT INTO effect_sql_migrations (migration_id, name) VALUES (999, 'x')`,
        ),
        live(home),
      )
      const before = readFileSync(join(home, "tooltrail.db"))
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(home)))
      assert.match(error.message, /it has schema 999, this program knows up to \d+; update tooltrail/)
      assert.isTrue(before.equals(readFileSync(join(home, "tooltrail.db"))))
    })
  })

  it.effect.each([
    ["empty", ""],
    ["no database", "this is no database, but some other file".repeat(50)],
  ])("refuses a file that is %s with a typed error, and leaves it as it is", ([, content]) => {
    const home = freshHome()
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, "tooltrail.db"), content ?? "")
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(home)))
      assert.strictEqual(error._tag, "PersistenceError")
      assert.strictEqual(readFileSync(join(home, "tooltrail.db"), "utf8"), content)
      assert.deepStrictEqual(readdirSync(home), ["tooltrail.db"])
    })
  })

  it.effect("refuses another program's database, and leaves it as it is", () => {
    const home = freshHome()
    mkdirSync(home, { recursive: true })
    const other = new Database(join(home, "tooltrail.db"))
    other.exec("CREATE TABLE tool_registry (id INTEGER)")
    other.close()
    const before = readFileSync(join(home, "tooltrail.db"))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(home)))
      assert.strictEqual(error._tag, "PersistenceError")
      assert.isTrue(before.equals(readFileSync(join(home, "tooltrail.db"))))
    })
  })

  it.effect("says so where the folder is a file", () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, "file"), "")
    chmodSync(folder, 0o700)
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(join(folder, "file"))))
      assert.include(error.message, "not a directory")
    })
  })
})

describe("withImmediateTransaction", () => {
  const count = (sql: SqlClient.SqlClient) => Effect.map(sql`SELECT * FROM projects`, (rows) => rows.length)
  const insert = (sql: SqlClient.SqlClient, hash: string) =>
    sql`INSERT INTO projects VALUES (${hash}, 'r', 'n', 'f', 'l')`

  it.effect("commits what succeeds and rolls back what fails, inner transactions being savepoints", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const transaction = withImmediateTransaction(sql)
      yield* transaction(insert(sql, "a"))
      assert.strictEqual(yield* count(sql), 1)
      yield* Effect.flip(transaction(Effect.zipRight(insert(sql, "b"), Effect.fail("no"))))
      assert.strictEqual(yield* count(sql), 1)
      yield* transaction(
        Effect.gen(function* () {
          yield* insert(sql, "c")
          yield* Effect.flip(sql.withTransaction(Effect.zipRight(insert(sql, "d"), Effect.fail("no"))))
        }),
      )
      assert.strictEqual(yield* count(sql), 2)
    }).pipe(Effect.provide(SqliteMemory)),
  )

  it.effect("fails with a typed error where another writer holds the lock, and gives the connection back", () => {
    const home = freshHome()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const other = new Database(join(home, "tooltrail.db"))
      other.exec("BEGIN IMMEDIATE")
      const error = yield* Effect.flip(withImmediateTransaction(sql)(insert(sql, "a")))
      assert.strictEqual(error._tag, "SqlError")
      other.exec("COMMIT")
      other.close()
      yield* withImmediateTransaction(sql)(insert(sql, "a"))
      assert.strictEqual(yield* count(sql), 1)
    }).pipe(Effect.provide(live(home)))
  })

  it.effect("holds the write lock from its first statement on, though that only reads", () => {
    const home = freshHome()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const other = new Database(join(home, "tooltrail.db"), { timeout: 0 })
      const otherWrites = () => other.exec("INSERT INTO projects VALUES ('other', 'r', 'n', 'f', 'l')")
      yield* withImmediateTransaction(sql)(
        Effect.gen(function* () {
          assert.strictEqual(yield* count(sql), 0)
          assert.throws(otherWrites, "database is locked")
          yield* insert(sql, "a")
        }),
      )
      otherWrites()
      other.close()
      assert.strictEqual(yield* count(sql), 2)
    }).pipe(Effect.provide(live(home)))
  })
})
