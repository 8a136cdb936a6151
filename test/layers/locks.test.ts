import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { holdHomeLock, holdLock, isHomeLockHeld, isLockHeld } from "../../src/layers/files/lock.ts"
import { SqliteLive } from "../../src/layers/store/openStore.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"

const root = join(import.meta.dirname, "..", "..")

describe("a lock", () => {
  it.effect("is held until its scope closes, by one at a time", () =>
    Effect.gen(function* () {
      const path = join(temporaryFolder(), "a.lock")
      assert.isFalse(isLockHeld(path))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* holdLock(path)
          assert.isTrue(isLockHeld(path))
          const second = yield* Effect.either(Effect.scoped(holdLock(path)))
          assert.strictEqual(Either.isLeft(second) && second.left._tag, "LockHeld")
        }),
      )
      assert.isFalse(isLockHeld(path))
    }),
  )

  it("can be taken while another process checks whether it is held", async () => {
    const path = join(temporaryFolder(), "a.lock")
    await Effect.runPromise(Effect.scoped(holdLock(path)))
    const looking = `
      const database = new (require("better-sqlite3"))(${JSON.stringify(path)})
      database.exec("BEGIN; SELECT 1 FROM sqlite_schema")
      console.log("looking")
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
      database.close()`
    const child = spawn(process.execPath, ["-e", looking], { cwd: root })
    await once(child.stdout, "data")
    await Effect.runPromise(Effect.scoped(holdLock(path)))
    await once(child, "close")
  })
})

describe("a hook's store beside an import", () => {
  const home = temporaryFolder()
  const checkpointPages = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`PRAGMA wal_autocheckpoint`).pipe(
    Effect.map(([row]) => row?.wal_autocheckpoint),
    Effect.provide(
      SqliteLive({ busyTimeoutMillis: 50, checkpointPages: 1000, whenMissing: "create", yieldsToImport: true }),
    ),
    Effect.provide(homeAt(home)),
  )
  const importing = holdHomeLock("import").pipe(Effect.provide(homeAt(home)))

  it.effect("writes a WAL back as usual, but if it is long and an import runs, only from 160 MB on", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* checkpointPages, 1000)
      const other = new Database(join(home, "tooltrail.db"))
      other.pragma("wal_autocheckpoint = 0")
      yield* importing
      assert.isTrue(isHomeLockHeld(home, "import"))
      assert.strictEqual(yield* checkpointPages, 1000)
      other.exec("CREATE TABLE long (text); INSERT INTO long VALUES (zeroblob(5000000))")
      assert.strictEqual(yield* checkpointPages, 40_000)
      other.close()
    }).pipe(Effect.scoped),
  )

  it.effect("writes a long WAL back if no import runs", () =>
    Effect.gen(function* () {
      const other = new Database(join(home, "tooltrail.db"))
      other.pragma("wal_autocheckpoint = 0")
      other.exec("INSERT INTO long VALUES (zeroblob(5000000))")
      assert.strictEqual(yield* checkpointPages, 1000)
      other.close()
    }),
  )
})
