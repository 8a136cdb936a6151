import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { migrate } from "../../src/layers/store/migrations.ts"
import { ToolRegistrySql } from "../../src/layers/store/ToolRegistrySql.ts"
import { UsageEventsSql } from "../../src/layers/store/UsageEventsSql.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { toolUse } from "../support/toolUses.ts"

const folder = join(import.meta.dirname, "..", "..", "src", "layers", "store", "migrations")

/** A landed migration never changes: a store that ran it would differ from a new one. */
const landed = {
  "0016_create_tool_registry.ts": "6403ffd0f308eb1e",
  "0017_create_tool_usage_events.ts": "bc17a7998bbd6605",
  "0018_calls_and_projects.ts": "e6500e81c7a6cbac",
  "0019_sums.ts": "fc587358403f7ac6",
}

/** A host's database, empty. */
const Host = Layer.scoped(SqlClient.SqlClient, SqliteClient.make({ filename: ":memory:" })).pipe(
  Layer.provide(Reactivity.layer),
)

/** The host's own migrations, whose numbers lie on both sides of tooltrail's. */
const hostMigrations = Migrator.make({})({
  loader: Migrator.fromRecord(
    Object.fromEntries(
      ["0001_first", "0018_second", "0042_third"].map((name) => [
        name,
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE ${sql(`host_${name.slice(5)}`)} (id INTEGER)`),
      ]),
    ),
  ),
})

describe("the migrations", () => {
  it("are as they landed, literal and without living code", () => {
    const hashes = Object.fromEntries(
      readdirSync(folder).map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex")
          .slice(0, 16),
      ]),
    )
    assert.deepStrictEqual(hashes, landed)
    for (const name of readdirSync(folder)) {
      const imports = readFileSync(join(folder, name), "utf8").match(/from "([^"]+)"/g)
      assert.deepStrictEqual(imports, ['from "@effect/sql/SqlClient"', 'from "effect/Effect"'])
    }
  })

  for (const [order, run] of [
    ["before", Effect.zipRight(hostMigrations, migrate)],
    ["after", Effect.zipRight(migrate, hostMigrations)],
  ] as const) {
    it.effect(`run in full on the database of a host whose own ran ${order} them, and the layers work there`, () =>
      Effect.gen(function* () {
        yield* run
        const sql = yield* SqlClient.SqlClient
        const tables = (yield* sql`SELECT name FROM sqlite_master WHERE type = 'table'`).map(({ name }) => name)
        assert.includeMembers(tables, ["host_first", "host_second", "host_third", "usage_by_day", "tool_registry"])
        yield* Effect.gen(function* () {
          const events = yield* UsageEvents
          assert.strictEqual(yield* events.insert(toolUse()), "inserted")
        }).pipe(Effect.provide(Layer.merge(UsageEventsSql, ToolRegistrySql)))
        // They run once.
        yield* Effect.zipRight(migrate, hostMigrations)
        assert.lengthOf(yield* sql`SELECT * FROM tool_usage_events`, 1)
      }).pipe(Effect.provide(Host)),
    )
  }
})
