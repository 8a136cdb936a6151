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
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { commandConnection, latestMigration } from "../../src/layers/store/connect.ts"
import { withImmediateTransaction } from "../../src/layers/store/immediateTransaction.ts"
import { migrations } from "../../src/layers/store/migrations.ts"
import { SqliteLive, SqliteMemory } from "../../src/layers/store/openStore.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"

const live = (directory: string, whenMissing: "create" | "fail" = "create", busyTimeoutMillis = 50) =>
  Layer.provide(SqliteLive({ busyTimeoutMillis, checkpointPages: 1000, whenMissing }), homeAt(directory))

const freshHome = () => join(temporaryFolder(), "a", "home")

const schemaOf = (sql: SqlClient.SqlClient) => sql`SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name`

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

  it.effect("writes the WAL back at its end, also if others keep the store open", () => {
    const home = freshHome()
    const forCommands = Layer.provide(SqliteLive({ ...commandConnection, whenMissing: "create" }), homeAt(home))
    return Effect.gen(function* () {
      yield* Effect.provide(SqlClient.SqlClient, live(home))
      const other = new Database(join(home, "tooltrail.db"))
      other.prepare("SELECT count(*) FROM tool_usage_events").all()
      yield* Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql`INSERT INTO tool_usage_events (tool_name) VALUES ('Bash')`,
      ).pipe(Effect.provide(forCommands))
      const copy = join(home, "copy.db")
      copyFileSync(join(home, "tooltrail.db"), copy)
      other.close()
      const alone = new Database(copy)
      assert.lengthOf(alone.prepare("SELECT * FROM tool_usage_events").all(), 1)
      alone.close()
    })
  })

  it.effect("does not create a store that is only to be read", () => {
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
        migrated.map((row) => row.name).filter((name) => name !== "effect_sql_migrations"),
        fresh.map((row) => row.name),
      )
    }).pipe(Effect.provide(live(home)))
  })

  it.effect("refuses a store of an unreleased version in one line, and leaves it as it is", () => {
    const home = freshHome()
    mkdirSync(home, { recursive: true })
    const older = new Database(join(home, "tooltrail.db"))
    older.exec(readFileSync(join(import.meta.dirname, "..", "fixtures", "schema-17.sql"), "utf8"))
    older.exec(
      "ALTER TABLE tool_usage_events ADD COLUMN agent TEXT; ALTER TABLE tool_usage_events ADD COLUMN tool_use_id TEXT",
    )
    older.close()
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(home)))
      assert.match(
        error.message,
        /^could not use the store: an unreleased version of tooltrail made it; .*`tooltrail export`/,
      )
      const database = new Database(join(home, "tooltrail.db"), { readonly: true })
      assert.lengthOf(database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'tooltrail_migrations'").all(), 0)
      database.close()
    })
  })

  it.effect("undoes a half-written change of a killed process by its journal", () => {
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
      // Shorter than its header says, as if it was killed after the first page.
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
          (sql) => sql`INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')`,
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

  it.effect("says so if the folder is a file", () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, "file"), "")
    chmodSync(folder, 0o700)
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(SqlClient.SqlClient, live(join(folder, "file"))))
      // Node 24 finds it later than Node 20 does.
      assert.match(error.message, /not a directory|file already exists/)
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

  it.effect("fails with a typed error if another writer holds the lock, and gives the connection back", () => {
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
