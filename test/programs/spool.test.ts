import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"
import { SpoolFiles } from "../../src/layers/files/SpoolFiles.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { drainSpool } from "../../src/programs/record/drainSpool.ts"
import { recordToolUse, spoolOnFailure } from "../../src/programs/record/recordToolUse.ts"
import { Spool } from "../../src/services/Spool.ts"
import { homeAt } from "../support/home.ts"
import { hookPayload, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { changeStore, totals } from "../support/store.ts"
import { toolUse } from "../support/toolUses.ts"

const withHome = (directory: string) => Layer.merge(StoreMemory, Layer.provideMerge(SpoolFiles, homeAt(directory)))

/** The files of calls in the spool. */
const waiting = (home: string) => readdirSync(join(home, "spool")).filter((name) => name !== "reserve")

const events = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ tool_name: string; created_at: string }>`SELECT * FROM tool_usage_events ORDER BY id`,
)
const aggregate = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ n: number }>`SELECT coalesce(sum(usage_count), 0) AS n FROM tool_registry`, (rows) => rows[0]?.n),
)

const append = (use: Partial<ToolUse>) => Effect.flatMap(Spool, (spool) => spool.append(toolUse(use)))

describe("the spool", () => {
  it.effect("keeps calls for the owner only, one line each, oldest first, and drains them with their own times", () => {
    const home = join(temporaryFolder(), "home")
    return Effect.gen(function* () {
      for (const second of [3, 1, 2]) {
        yield* TestClock.setTime(second * 1000)
        yield* append({ toolName: `tool ${second}`, usedAt: Timestamp.fromEpochMillis(second * 1000) })
      }
      assert.strictEqual(statSync(join(home, "spool")).mode & 0o777, 0o700)
      for (const file of readdirSync(join(home, "spool"))) {
        assert.strictEqual(statSync(join(home, "spool", file)).mode & 0o777, 0o600)
        assert.lengthOf(lines(readFileSync(join(home, "spool", file), "utf8")), 1)
      }
      yield* TestClock.setTime(1e12)
      assert.strictEqual(yield* drainSpool(2), 2)
      assert.strictEqual(yield* drainSpool(), 1)
      assert.deepStrictEqual(
        (yield* events).map((event) => [event.tool_name, event.created_at]),
        [1, 2, 3].map((second) => [`tool ${second}`, `1970-01-01 00:00:0${second}`]),
      )
      assert.isEmpty(waiting(home))
      assert.strictEqual(yield* drainSpool(), 0)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect.each(["", "{", "null", '{"toolName":"Bash"}'])("sets %j aside and stores the rest", (content) => {
    const home = temporaryFolder()
    const odd = "000000000000000-1-odd.json"
    return Effect.gen(function* () {
      yield* append({})
      writeFileSync(join(home, "spool", odd), content)
      assert.strictEqual(yield* drainSpool(), 1)
      const spool = yield* Spool
      assert.deepStrictEqual(yield* spool.listAside, [odd])
      assert.strictEqual(readFileSync(join(home, "spool", "unreadable", odd), "utf8"), content)
      assert.isEmpty(yield* spool.list)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("leaves other programs' files alone", () => {
    const home = temporaryFolder()
    const foreign = ["print-job", "report.json", "report.json.new-1-abc"]
    return Effect.gen(function* () {
      mkdirSync(join(home, "spool"))
      for (const name of foreign) writeFileSync(join(home, "spool", name), "{}")
      for (const name of foreign) utimesSync(join(home, "spool", name), 1, 1)
      assert.strictEqual(yield* drainSpool(), 0)
      assert.isEmpty(yield* Effect.flatMap(Spool, ({ listDrafts }) => listDrafts))
      assert.deepStrictEqual(readdirSync(join(home, "spool")), foreign)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("does not look at a call that is still being written", () => {
    const home = temporaryFolder()
    const draft = "000000000000000-1-a.json.new-1-abc"
    return Effect.gen(function* () {
      mkdirSync(join(home, "spool"))
      writeFileSync(join(home, "spool", draft), '{"toolName"')
      assert.strictEqual(yield* drainSpool(), 0)
      assert.deepStrictEqual(readdirSync(join(home, "spool")), [draft])
      assert.isEmpty(yield* Effect.flatMap(Spool, (spool) => spool.read(["gone.json"])))
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("takes a call whose aggregate could not be updated, and a drain counts it once", () => {
    const home = temporaryFolder()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TRIGGER no BEFORE INSERT ON tool_registry BEGIN SELECT RAISE(ABORT, 'no'); END`
      const use = toolUse()
      const outcome = yield* recordToolUse(use).pipe(spoolOnFailure(use))
      assert.strictEqual(outcome, "spooled")
      yield* sql`DROP TRIGGER no`
      assert.strictEqual(yield* drainSpool(), 1)
      assert.lengthOf(yield* events, 1)
      assert.strictEqual(yield* aggregate, 1)
    }).pipe(Effect.provide(withHome(home)))
  })

  it.effect("that cannot be written either loses the call, which is said", () => {
    const file = join(temporaryFolder(), "file")
    writeFileSync(file, "")
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`DROP TABLE tool_registry`
      assert.strictEqual(yield* recordToolUse(toolUse()).pipe(spoolOnFailure(toolUse())), "lost")
    }).pipe(Effect.provide(withHome(file)))
  })
})

describe("the built programs and the spool", () => {
  it("spool while the store is locked, and the next hook or query drains", async () => {
    const home = join(temporaryFolder(), "home")
    await runHook(home, hookPayload("0"))
    for (const drains of ["hook", "query"]) {
      const writer = new Database(join(home, "tooltrail.db"))
      writer.exec("BEGIN IMMEDIATE")
      const finished = await Promise.all([1, 2, 3].map((n) => runHook(home, hookPayload(`${drains}${n}`))))
      writer.exec("COMMIT")
      writer.close()
      for (const { code, stdout, stderr } of finished) {
        assert.deepStrictEqual([code, stdout, lines(stderr).length], [0, "", 1])
        assert.include(stderr, "database is locked; the call is kept in the spool")
      }
      assert.lengthOf(waiting(home), 3)
      const before = totals(home)
      if (drains === "hook") await runHook(home, hookPayload("4"))
      else await runCli(home, ["top"])
      const added = drains === "hook" ? 4 : 3
      assert.deepStrictEqual(totals(home), {
        events: before.events + added,
        successes: before.successes + added,
        aggregate: before.aggregate + added,
      })
      assert.isEmpty(waiting(home))
    }
  })

  it("spool where a newer program made the store, and leave that alone", async () => {
    const home = join(temporaryFolder(), "home")
    await runHook(home, hookPayload("0"))
    changeStore(home, "INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')")
    const finished = await runHook(home, hookPayload("1"))
    assert.deepStrictEqual([finished.code, finished.stdout, lines(finished.stderr).length], [0, "", 1])
    assert.include(finished.stderr, "it has schema 999")
    assert.strictEqual(totals(home).events, 1)
    assert.lengthOf(waiting(home), 1)
    changeStore(home, "DELETE FROM tooltrail_migrations WHERE migration_id = 999")
    await runCli(home, ["top"])
    assert.strictEqual(totals(home).events, 2)
  })
})
