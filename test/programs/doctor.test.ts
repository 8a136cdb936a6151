import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AgentSettingsFiles } from "../../src/layers/agents/ClaudeCodeSettings.ts"
import { HomeFilesLive } from "../../src/layers/files/HomeFilesLive.ts"
import { SpoolFiles } from "../../src/layers/files/SpoolFiles.ts"
import { latestMigration } from "../../src/layers/store/connect.ts"
import { StoreLive } from "../../src/layers/store/Store.ts"
import { StoreFileSqlite } from "../../src/layers/store/StoreFileSqlite.ts"
import { examine as doctorExamine, repair } from "../../src/programs/upkeep/doctor.ts"
import { homeAt } from "../support/home.ts"
import { hookPayload, hookProgram, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { changeStore, totals } from "../support/store.ts"

interface Report {
  readonly ok: boolean
  readonly checks: ReadonlyArray<{ readonly name: string; readonly status: string; readonly message: string }>
}

const usedHome = async (): Promise<string> => {
  const home = join(temporaryFolder(), "home")
  await runHook(home, hookPayload("a"))
  return home
}

/** The doctor's work in this process, without the timing of others. */
const examine = (home: string, mend = false): Promise<Report> => {
  const files = homeAt(home)
  const options = {
    version: "0.0.0",
    hook: Effect.succeed({ command: process.execPath, args: [hookProgram] }),
    measure: () => Effect.succeed({ hookMillis: 20, nodeMillis: 10, causes: [] }),
    store: Layer.provide(StoreLive({ busyTimeoutMillis: 1000, checkpointPages: 1000, whenMissing: "fail" }), files),
  }
  return Effect.gen(function* () {
    const done = mend ? yield* repair(options) : []
    const checks = [...done, ...(yield* doctorExamine(options))]
    return { ok: checks.every(({ status }) => status !== "problem"), checks }
  }).pipe(
    Effect.provide(
      Layer.mergeAll(AgentSettingsFiles, HomeFilesLive, StoreFileSqlite, SpoolFiles).pipe(Layer.provideMerge(files)),
    ),
    Effect.runPromise,
  )
}

const found = ({ checks }: Report, name: string) =>
  checks.filter((check) => check.name === name).map(({ status, message }) => `${status}: ${message}`)

/** The name of a spooled call. */
const call = (n: number) => `${String(n).padStart(15, "0")}-1-a.json`

const old = (path: string) => utimesSync(path, 1, 1)

describe("doctor", () => {
  it("warns if nothing is recorded yet, and makes nothing", async () => {
    const home = join(temporaryFolder(), "home")
    const report = await examine(home)
    assert.match(found(report, "store")[0] ?? "", /^warning: nothing is recorded yet: there is no store at /)
    await examine(home, true)
    assert.isFalse(existsSync(home))
  })

  it("says in a line each what it checked", async () => {
    const home = await usedHome()
    const { code, stdout, stderr } = await runCli(home, ["doctor"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    for (const line of [
      /^ok +versions +tooltrail \d.* on Node \d/m,
      new RegExp(`^ok +store +${join(home, "tooltrail.db")}$`, "m"),
      /^ok +permissions /m,
      /^ok +config +calls are kept until you prune them$/m,
      new RegExp(`^ok +schema +schema ${latestMigration} \\(current\\)$`, "m"),
      /^ok +integrity +integrity check passed$/m,
      /^ok +counts +tool counts match the recorded calls$/m,
      /^ok +sums /m,
      /^ok +last call +Bash, \d{4}-/m,
      /^ok +spool /m,
      /^ok +drafts +no leftover temporary files$/m,
      /^warning +registered +no agent's settings have tooltrail's hook/m,
      /^(ok|warning) +hook +the hook takes \d+ ms a call, Node alone \d+ ms/m,
    ]) {
      assert.match(stdout, line)
    }
    assert.lengthOf(lines(stdout), 13)
  })

  it("prints one JSON value, sees what makes the hook slow, and ends with 1 if there are problems", async () => {
    const home = await usedHome()
    changeStore(home, "UPDATE tool_registry SET usage_count = 7")
    const ill = await runCli(home, ["doctor", "--json"], { env: { NODE_OPTIONS: "--no-deprecation" } })
    const report = JSON.parse(ill.stdout) as Report
    assert.deepStrictEqual([ill.code, report.ok, ill.stderr], [1, false, "tooltrail: 1 problem needs your attention\n"])
    assert.include(found(report, "hook")[0], "NODE_OPTIONS is set")
    const mended = await runCli(home, ["doctor", "--repair", "--json"])
    assert.deepStrictEqual([mended.code, mended.stderr], [0, ""])
    assert.isTrue((JSON.parse(mended.stdout) as Report).ok)
  })

  it("finds problems and changes nothing, then repairs them without loss", async () => {
    const home = await usedHome()
    const writer = new Database(join(home, "tooltrail.db"))
    writer.exec("BEGIN IMMEDIATE")
    await runHook(home, hookPayload("waiting"))
    await runHook(home, hookPayload("half-made"))
    writer.exec("COMMIT")
    writer.close()
    const spool = join(home, "spool")
    const [, halfMade = ""] = readdirSync(spool).sort()
    const [whole, cut, fresh] = [`${halfMade}.new-1-abc`, `${call(0)}.new-1-abc`, `${call(1)}.new-1-abc`]
    renameSync(join(spool, halfMade), join(spool, whole))
    writeFileSync(join(spool, cut), '{"toolName"')
    writeFileSync(join(home, "tooltrail.db.new-1-abc"), "")
    writeFileSync(join(home, "serve.token.new-1-abc"), "half a tok")
    writeFileSync(join(home, "notes.txt.new-1-abc"), "not tooltrail's")
    for (const path of [join(spool, whole), join(spool, cut)]) old(path)
    for (const name of ["tooltrail.db", "serve.token", "notes.txt"]) old(join(home, `${name}.new-1-abc`))
    writeFileSync(join(spool, fresh), '{"toolName"')
    writeFileSync(join(home, "tooltrail.db.new-2-abc"), "")
    changeStore(home, "UPDATE tool_registry SET usage_count = 7; UPDATE usage_state SET rolled_to = 1")
    chmodSync(home, 0o755)
    chmodSync(join(home, "tooltrail.db"), 0o644)
    chmodSync(join(home, "tooltrail.db.new-2-abc"), 0o600)
    chmodSync(join(spool, fresh), 0o600)

    const ill = await examine(home)
    assert.match(found(ill, "permissions")[0] ?? "", /^problem: .* has mode 644, it should have 600, and \d+ more/)
    assert.match(found(ill, "counts")[0] ?? "", /^problem: Bash has the count 7, it should be 1;/)
    assert.match(
      found(ill, "sums")[0] ?? "",
      /^problem: the sums count no calls(?: of Bash)? in \S+(?: \d\d)?, but 1 are recorded, and \d+ more sums; --repair/,
    )
    assert.match(found(ill, "spool")[0] ?? "", /^warning: 1 call /)
    assert.match(found(ill, "drafts")[0] ?? "", /^warning: 4 half-written files/)
    assert.deepStrictEqual(totals(home), { events: 1, successes: 1, aggregate: 7 })

    const mended = await examine(home, true)
    assert.includeMembers(found(mended, "repair"), [
      "ok: removed 3 half-written files",
      "ok: recovered 1 call from half-written spool files",
      "ok: stored 2 calls from the spool",
      "ok: corrected the count of 1 tool",
      "ok: corrected 9 sums",
    ])
    assert.isTrue(mended.ok)
    assert.deepStrictEqual(totals(home), { events: 3, successes: 3, aggregate: 3 })
    assert.strictEqual(statSync(join(home, "tooltrail.db")).mode & 0o777, 0o600)
    assert.isTrue(existsSync(join(home, "notes.txt.new-1-abc")))
    assert.sameMembers(readdirSync(spool), [fresh, "reserve"])
    assert.isTrue(existsSync(join(home, "tooltrail.db.new-2-abc")))
    assert.isEmpty(found(await examine(home, true), "repair"))
  })

  it("leaves to a person what was set aside, what is damaged and what is too new", async () => {
    const home = await usedHome()
    mkdirSync(join(home, "spool", "unreadable"), { recursive: true, mode: 0o700 })
    writeFileSync(join(home, "spool", "unreadable", call(1)), "{", { mode: 0o600 })
    assert.match(found(await examine(home, true), "set aside")[0] ?? "", /^problem: 1 spooled call could not/)
    assert.deepStrictEqual(readdirSync(join(home, "spool", "unreadable")), [call(1)])
    changeStore(home, "INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')")
    assert.match(found(await examine(home, true), "schema")[0] ?? "", /^problem: the store has schema 999/)
    writeFileSync(join(home, "tooltrail.db"), "x".repeat(9000))
    const report = await examine(home, true)
    assert.match(found(report, "integrity")[0] ?? "", /^problem: .*it is damaged: file is not a database; restore/)
    assert.isEmpty(found(report, "repair"))
  })

  it("names a configuration that is not used, with what is accepted", async () => {
    const home = await usedHome()
    const path = join(home, "config.json")
    const configured = async (text: string) => {
      writeFileSync(path, text, { mode: 0o600 })
      return found(await examine(home), "config")
    }
    assert.deepStrictEqual(await configured('{"retention":"90d"}'), ["ok: calls older than 90 days are pruned"])
    assert.deepStrictEqual(await configured("retention: 90d"), [
      `problem: ${path} is not used: it is not JSON; accepted is { "retention": "180d" }`,
    ])
    assert.deepStrictEqual(await configured('{"keep":"90d"}'), [
      `problem: ${path} is not used: "keep" is not known; accepted is "retention"`,
    ])
    rmSync(path)
    mkdirSync(path, { mode: 0o700 })
    assert.match(found(await examine(home), "config")[0] ?? "", /^problem: .*config\.json is not used: EISDIR/)
    const { code, stdout } = await runCli(home, ["doctor"])
    assert.strictEqual(code, 1)
    assert.match(stdout, /^problem +config /m)
  })

  it("closes its files and folders to others, but nothing else", async () => {
    const home = await usedHome()
    const mode = (...names: ReadonlyArray<string>) => statSync(join(home, ...names)).mode & 0o7777
    assert.strictEqual((await runCli(home, ["backup"])).code, 0)
    chmodSync(home, 0o755)
    chmodSync(join(home, "backups"), 0o755)
    writeFileSync(join(home, "serve.token"), "secret", { mode: 0o644 })
    const [first, token] = found(await examine(home), "permissions")
    assert.match(first ?? "", /^problem: .*home has mode 755, it should have 700, and 2 more; --repair closes it/)
    assert.match(token ?? "", /^problem: others may know the token in .*serve\.token; delete it/)
    await examine(home, true)
    assert.deepStrictEqual([mode(), mode("backups"), mode("serve.token")], [0o700, 0o700, 0o600])

    const foreign = ["notes.txt", "tooltrail-notes.md", "spool/print-job", "backups/photos.tar"]
    for (const name of foreign) writeFileSync(join(home, name), "not tooltrail's", { mode: 0o644 })
    for (const folder of [".", "spool", "backups"]) chmodSync(join(home, folder), 0o755)
    const report = await examine(home, true)
    assert.deepStrictEqual(
      foreign.map((name) => mode(name)),
      foreign.map(() => 0o644),
    )
    assert.deepStrictEqual([mode(), mode("spool"), mode("backups")], [0o755, 0o755, 0o755])
    assert.match(found(report, "permissions")[0] ?? "", /^ok: /)

    chmodSync(home, 0o1777)
    assert.match(
      found(await examine(home, true), "permissions")[0] ?? "",
      /^problem: others can replace files in .*home, which has mode 777 .*; set TOOLTRAIL_HOME to another folder/,
    )
    assert.strictEqual(mode(), 0o1777)
  })

  it("finds a home that cannot be written, and SQLite that cannot be loaded", async () => {
    const file = join(temporaryFolder(), "file")
    writeFileSync(file, "")
    const [below, ...others] = found(await examine(join(file, "home")), "store")
    assert.match(below ?? "", /^problem: could not write to .*file\/home: .*not a folder/)
    assert.isEmpty(others)

    const home = await usedHome()
    const preload = join(temporaryFolder(), "preload.cjs")
    writeFileSync(preload, "process.dlopen = () => { throw new Error('it is for another Node') }")
    const { code, stdout } = await runCli(home, ["doctor"], { env: { NODE_OPTIONS: `--require ${preload}` } })
    assert.strictEqual(code, 1)
    assert.match(stdout, /^problem +store +could not use SQLite: .*another Node/m)
    assert.notMatch(stdout, /^ok +store/m)
  })

  it("says why it could not repair a store that it cannot read", async () => {
    const home = join(temporaryFolder(), "home")
    mkdirSync(home, { mode: 0o700 })
    new Database(join(home, "tooltrail.db")).exec("CREATE TABLE other (x)").close()
    chmodSync(join(home, "tooltrail.db"), 0o600)
    assert.match(
      found(await examine(home, true), "repair")[0] ?? "",
      /^problem: could not check the store .*no such table/,
    )
  })
})
