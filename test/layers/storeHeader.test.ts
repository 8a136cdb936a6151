import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { DamagedStore } from "../../src/domain/StoreError.ts"
import { isWholeByHeader } from "../../src/layers/store/checkFile.ts"
import { hookPayload, lines, runHook, temporaryFolder } from "../support/processes.ts"

describe("the header of a store's file", () => {
  it.each([4096, 65_536])("tells a whole file with pages of %d bytes from one that is cut", (pageBytes) => {
    const path = join(temporaryFolder(), "x.db")
    const database = new Database(path)
    database.pragma(`page_size = ${pageBytes}`)
    database.exec("CREATE TABLE a (b); CREATE TABLE c (d)")
    database.close()
    const { size } = statSync(path)
    assert.isTrue(isWholeByHeader(path, size))
    truncateSync(path, size - 1)
    assert.isFalse(isWholeByHeader(path, size - 1))
  })

  it.each<[string, Buffer]>([
    ["empty", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(9000)],
    ["text", Buffer.alloc(9000, "no database ")],
  ])("is missing in a file that is %s", (_, content) => {
    const path = join(temporaryFolder(), "x.db")
    writeFileSync(path, content)
    assert.throws(() => isWholeByHeader(path, content.length), DamagedStore)
  })

  it("is looked at before SQLite may write a WAL into what is no database", async () => {
    const home = join(temporaryFolder(), "home")
    await runHook(home, hookPayload("a"))
    const [store, wal] = [join(home, "tooltrail.db"), join(home, "tooltrail.db-wal")]
    assert.isTrue(existsSync(wal))
    const zeros = Buffer.alloc(statSync(store).size)
    writeFileSync(store, zeros)
    const before = readFileSync(wal)
    const { code, stdout, stderr } = await runHook(home, hookPayload("b"))
    assert.deepStrictEqual([code, stdout, lines(stderr).length], [0, "", 1])
    assert.include(stderr, "file is not a database; the call is kept in the spool")
    assert.isTrue(zeros.equals(readFileSync(store)))
    assert.isTrue(before.equals(readFileSync(wal)))
    assert.lengthOf(readdirSync(join(home, "spool")), 1)
  })
})
