import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { type Finished, hookPayload, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"

const usedHome = async (...ids: ReadonlyArray<string>): Promise<string> => {
  const home = join(temporaryFolder(), "home")
  for (const id of ids) await runHook(home, hookPayload(id))
  return home
}

const idsIn = (path: string): ReadonlyArray<string> => {
  const database = new Database(path, { readonly: true })
  try {
    return database.prepare("SELECT tool_use_id FROM tool_usage_events ORDER BY id").pluck().all() as Array<string>
  } finally {
    database.close()
  }
}

const store = (home: string) => join(home, "tooltrail.db")
const replacedIn = (home: string) => readdirSync(home).filter((name) => /\.replaced-\d{8}-\d{6}$/.test(name))
const draftsIn = (folder: string) => readdirSync(folder).filter((name) => name.includes(".new-"))

/** A module after which no file can have a second name. */
const withoutHardLinks = (): string => {
  const path = join(temporaryFolder(), "preload.cjs")
  const failing = 'Object.assign(new Error("EPERM: operation not permitted, link"), { code: "EPERM" })'
  writeFileSync(path, `require("node:fs").linkSync = () => { throw ${failing} }`)
  return path
}

const succeeds = (finished: Finished) => {
  assert.deepStrictEqual([finished.code, finished.stderr], [0, ""])
  return lines(finished.stdout)
}

const refuses = (finished: Finished, trouble: string) => {
  assert.deepStrictEqual([finished.code, finished.stdout, lines(finished.stderr).length], [1, "", 1], finished.stderr)
  assert.include(finished.stderr, trouble)
}

describe("backup", () => {
  it("copies what is committed, also while a writer holds the lock, and never overwrites", async () => {
    const home = await usedHome("a")
    const writer = new Database(store(home))
    writer.exec("INSERT INTO tool_usage_events (tool_name, tool_use_id) VALUES ('Bash', 'b')")
    writer.exec("BEGIN IMMEDIATE; INSERT INTO tool_usage_events (tool_name, tool_use_id) VALUES ('Bash', 'c')")
    const [said] = succeeds(await runCli(home, ["backup"]))
    const path = said?.replace("Backed up to ", "") ?? ""
    writer.exec("COMMIT")
    writer.close()
    assert.match(path, /\/backups\/tooltrail-\d{8}-\d{6}\.db$/)
    assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    assert.strictEqual(statSync(join(home, "backups")).mode & 0o777, 0o700)
    assert.deepStrictEqual(idsIn(path), ["a", "b"])
    assert.lengthOf(readdirSync(join(home, "backups")), 1)
    const before = readFileSync(path)
    refuses(await runCli(home, ["backup", path]), "it already exists")
    refuses(await runCli(home, ["backup", home]), "it is a folder")
    assert.isTrue(before.equals(readFileSync(path)))
    assert.isEmpty(draftsIn(join(home, "backups")))
  })

  it("says in one line why it cannot", async () => {
    const home = await usedHome("a")
    refuses(await runCli(home, ["backup", join(home, "no", "folder", "x.db")]), "could not back the store up")
    refuses(await runCli(join(home, "nowhere"), ["backup"]), "nothing is recorded yet")
    changeStore(home, "VACUUM")
    const file = readFileSync(store(home))
    // The pages in the middle hold indexes; what is in them is not what the tables say.
    file.fill(0x5a, 8192, 20_000)
    writeFileSync(store(home), file)
    const folder = temporaryFolder()
    refuses(await runCli(home, ["backup", join(folder, "x.db")]), "damaged")
    assert.isEmpty(readdirSync(folder))
  })
})

describe("restore", () => {
  it("keeps what was there, puts a copy in its place, and stores the spooled calls", async () => {
    const home = await usedHome("a")
    const backup = join(temporaryFolder(), "b.db")
    succeeds(await runCli(home, ["backup", backup]))
    const bytes = readFileSync(backup)
    await runHook(home, hookPayload("b"))
    const writer = new Database(store(home))
    writer.exec("BEGIN IMMEDIATE")
    await runHook(home, hookPayload("c"))
    writer.exec("COMMIT")
    writer.close()
    const late = new Database(store(home))
    const said = succeeds(await runCli(home, ["restore", backup]))
    // Otherwise it would write into the store that was moved, with a WAL under the new one's name.
    assert.throws(() => late.exec("INSERT INTO tool_usage_events (tool_name) VALUES ('late')"), "readonly")
    late.close()
    const [replaced = ""] = replacedIn(home)
    assert.deepStrictEqual(said, [
      `Kept the old store as ${join(home, replaced)}`,
      `Restored ${backup}, which holds 1 call`,
      "Stored 1 call from the spool",
    ])
    assert.deepStrictEqual(idsIn(store(home)), ["a", "c"])
    assert.deepStrictEqual(idsIn(join(home, replaced)), ["a", "b"])
    assert.isTrue(bytes.equals(readFileSync(backup)))
    assert.deepStrictEqual(
      readStore(home, (all) => all("PRAGMA journal_mode")),
      [{ journal_mode: "wal" }],
    )
    assert.strictEqual(statSync(store(home)).mode & 0o777, 0o600)
    assert.isEmpty(draftsIn(home))
  })

  it("loses no call of hooks that run at the same time", async () => {
    const home = await usedHome("first")
    const backup = join(temporaryFolder(), "b.db")
    succeeds(await runCli(home, ["backup", backup]))
    const ids = Array.from({ length: 16 }, (_, n) => `call-${n}`)
    const restoring: Array<Promise<Finished>> = []
    for (let wave = 0; wave < ids.length; wave += 4) {
      const hooks = ids.slice(wave, wave + 4).map((id) => runHook(home, hookPayload(id)))
      if (wave === 4) restoring.push(runCli(home, ["restore", backup]))
      await Promise.all(hooks)
    }
    const [restored] = await Promise.all(restoring)
    assert.strictEqual(restored?.code, 0, restored?.stderr)
    await runCli(home, ["top"])
    const [replaced = ""] = replacedIn(home)
    const kept = new Set([...idsIn(store(home)), ...idsIn(join(home, replaced))])
    assert.deepStrictEqual([...kept].sort(), ["first", ...ids].sort())
  })

  it("takes the calls that a copy of a store in use has only in its WAL", async () => {
    const home = await usedHome("a")
    const other = await usedHome("x")
    const writer = new Database(store(other))
    writer.exec("INSERT INTO tool_usage_events (tool_name, tool_use_id) VALUES ('Bash', 'y')")
    const folder = temporaryFolder()
    for (const suffix of ["", "-wal"]) copyFileSync(store(other) + suffix, join(folder, `copy.db${suffix}`))
    writer.close()
    const before = readFileSync(join(folder, "copy.db"))
    assert.strictEqual((await runCli(home, ["restore", join(folder, "copy.db")])).code, 0)
    assert.deepStrictEqual(idsIn(store(home)), ["x", "y"])
    assert.isTrue(before.equals(readFileSync(join(folder, "copy.db"))))
  })

  it("makes a store if there is none", async () => {
    const home = await usedHome("a")
    const backup = join(temporaryFolder(), "b.db")
    succeeds(await runCli(home, ["backup", backup]))
    const fresh = join(temporaryFolder(), "home")
    assert.lengthOf(succeeds(await runCli(fresh, ["restore", backup])), 2)
    assert.deepStrictEqual(idsIn(store(fresh)), ["a"])
  })

  it("works on a file system without hard links", async () => {
    const env = { NODE_OPTIONS: `--require ${withoutHardLinks()}` }
    const home = join(temporaryFolder(), "home")
    const { code, stderr } = await runHook(home, hookPayload("a"), { env })
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.deepStrictEqual(idsIn(store(home)), ["a"])
    const backup = join(temporaryFolder(), "b.db")
    succeeds(await runCli(home, ["backup", backup], { env }))
    assert.lengthOf(succeeds(await runCli(home, ["restore", backup], { env })), 3)
    const [replaced = ""] = replacedIn(home)
    assert.deepStrictEqual([idsIn(store(home)), idsIn(join(home, replaced))], [["a"], ["a"]])
    writeFileSync(store(home), "damaged".repeat(1000))
    rmSync(join(home, replaced))
    assert.lengthOf(succeeds(await runCli(home, ["restore", backup], { env })), 3)
    assert.deepStrictEqual(idsIn(store(home)), ["a"])
    assert.isEmpty(draftsIn(home))
  })

  it("refuses in one line a file that is not a whole store of a known schema, and leaves the present store", async () => {
    const home = await usedHome("a")
    const folder = temporaryFolder()
    const file = (name: string) => join(folder, name)
    for (const name of ["future", "cut"]) succeeds(await runCli(home, ["backup", file(name)]))
    const future = new Database(file("future"))
    future.exec("INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')")
    future.close()
    truncateSync(file("cut"), Math.trunc(statSync(file("cut")).size / 2))
    writeFileSync(file("text"), "no database".repeat(100))
    new Database(file("other")).exec("CREATE TABLE t (x)").close()
    writeFileSync(file("empty"), "")
    const before = readFileSync(store(home))
    for (const [name, trouble] of [
      ["future", "schema 999"],
      ["cut", "malformed"],
      ["text", "not a database"],
      ["other", "not a tooltrail store"],
      ["empty", "not a tooltrail store"],
      ["missing", "ENOENT"],
      [".", "it is not a file"],
    ] as const) {
      const bytes = existsSync(file(name)) && name !== "." ? readFileSync(file(name)) : undefined
      refuses(await runCli(home, ["restore", file(name)]), trouble)
      if (bytes !== undefined) assert.isTrue(bytes.equals(readFileSync(file(name))), name)
    }
    refuses(await runCli(home, ["restore", store(home)]), "it is the current store")
    assert.isTrue(before.equals(readFileSync(store(home))))
    assert.deepStrictEqual(readdirSync(home).sort(), ["tooltrail.db"])
    assert.deepStrictEqual(readdirSync(folder).sort(), ["cut", "empty", "future", "other", "text"])
  })
})

describe("a damaged store", () => {
  it.each<[string, (home: string) => void]>([
    ["empty", (home) => truncateSync(store(home), 0)],
    ["no database", (home) => writeFileSync(store(home), Buffer.alloc(9000, 0x61))],
    ["cut", (home) => truncateSync(store(home), Math.trunc(statSync(store(home)).size / 2))],
  ])("that is %s is said in one line, with the way to restore it", async (_, damage) => {
    const home = await usedHome("a")
    damage(home)
    const bytes = readFileSync(store(home))
    refuses(await runCli(home, ["log", "--json"]), "it is damaged")
    mkdirSync(join(home, "backups"))
    const [old, young] = ["z-old.db", "a-young.db"].map((name) => join(home, "backups", name)) as [string, string]
    for (const path of [old, young]) appendFileSync(path, "")
    utimesSync(old, 1, 1)
    refuses(await runCli(home, ["log"]), `\`tooltrail restore ${young}\``)
    assert.isTrue(bytes.equals(readFileSync(store(home))))
  })

  it("is kept with its WAL by a restore, and the spooled calls are stored", async () => {
    const home = await usedHome("a")
    succeeds(await runCli(home, ["backup", join(home, "b.db")]))
    writeFileSync(store(home), "damaged".repeat(1000))
    await runHook(home, hookPayload("b"))
    writeFileSync(`${store(home)}-wal`, "wal")
    assert.lengthOf(succeeds(await runCli(home, ["restore", join(home, "b.db")])), 3)
    const [replaced = ""] = replacedIn(home)
    assert.strictEqual(readFileSync(join(home, replaced), "utf8"), "damaged".repeat(1000))
    assert.strictEqual(readFileSync(join(home, `${replaced}-wal`), "utf8"), "wal")
    assert.deepStrictEqual(idsIn(store(home)), ["a", "b"])
    assert.strictEqual(totals(home).aggregate, 2)
  })
})
