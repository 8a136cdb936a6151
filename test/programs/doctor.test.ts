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
import { PersistenceError } from "../../src/domain/StoreError.ts"
import { AgentSettingsFiles } from "../../src/layers/agents/ClaudeCodeSettings.ts"
import { HomeFilesLive } from "../../src/layers/files/HomeFilesLive.ts"
import { SpoolFiles } from "../../src/layers/files/SpoolFiles.ts"
import { latestMigration } from "../../src/layers/store/latestMigration.ts"
import { StoreLive } from "../../src/layers/store/Store.ts"
import { StoreFileSqlite } from "../../src/layers/store/StoreFileSqlite.ts"
import { explainDamage, howToRestore } from "../../src/programs/cli/damage.ts"
import { examine as doctorExamine, repair } from "../../src/programs/upkeep/doctor.ts"
import { HookCost } from "../../src/services/HookCost.ts"
import { Retention } from "../../src/services/Retention.ts"
import { homeAt } from "../support/home.ts"
import { hookPayload, hookProgram, lines, runCli, runHook, temporaryFolder } from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"

interface Report {
  readonly ok: boolean
  readonly checks: ReadonlyArray<{ readonly name: string; readonly status: string; readonly message: string }>
}

const usedHome = async (): Promise<string> => {
  const home = join(temporaryFolder(), "home")
  await runHook(home, hookPayload("a"))
  return home
}

type OpenStore = ReturnType<typeof StoreLive>

/** A store that cannot be written anew, as on a full disk. */
const withoutRoom = (store: OpenStore): OpenStore =>
  Layer.effect(
    Retention,
    Effect.map(Retention, (retention) => ({
      ...retention,
      unusedSpace: Effect.succeed({ bytes: 5_000_000, canBeGivenBack: false }),
      rewrite: Effect.fail(
        new PersistenceError({ operation: "write the store anew", reason: "unavailable", cause: "the disk is full" }),
      ),
    })),
  ).pipe(Layer.provideMerge(store))

/** The doctor's work in this process, without the timing of others. */
const examine = (
  home: string,
  mend = false,
  changeStoreLayer = (store: OpenStore): OpenStore => store,
): Promise<Report> => {
  const files = homeAt(home)
  const cost = Layer.succeed(HookCost, {
    measure: () => Effect.succeed({ hookMillis: 20, nodeMillis: 10, causes: [] }),
  })
  const options = {
    version: "0.0.0",
    hook: Effect.succeed({ command: process.execPath, args: [hookProgram] }),
    store: Layer.provide(
      changeStoreLayer(StoreLive({ busyTimeoutMillis: 1000, checkpointPages: 1000, whenMissing: "fail" })),
      files,
    ),
    howToRestore,
    explainDamage,
  }
  return Effect.gen(function* () {
    const done = mend ? yield* repair(options) : []
    const checks = [...done, ...(yield* doctorExamine(options))]
    return { ok: checks.every(({ status }) => status !== "problem"), checks }
  }).pipe(
    Effect.provide(
      Layer.mergeAll(AgentSettingsFiles, HomeFilesLive, StoreFileSqlite, SpoolFiles, cost).pipe(
        Layer.provideMerge(files),
      ),
    ),
    Effect.runPromise,
  )
}

const found = ({ checks }: Report, name: string) =>
  checks.filter((check) => check.name === name).map(({ status, message }) => `${status}: ${message}`)

const old = (path: string) => utimesSync(path, 1, 1)

describe("doctor", () => {
  it("finds nothing wrong where nothing is recorded, and makes nothing", async () => {
    const home = join(temporaryFolder(), "home")
    const report = await examine(home)
    assert.deepStrictEqual(found(report, "last call"), ["ok: nothing recorded yet"])
    await examine(home, true)
    assert.isFalse(existsSync(home))
  })

  it("says of a store that is well what it looked at, in a line each", async () => {
    const home = await usedHome()
    const { code, stdout, stderr } = await runCli(home, ["doctor"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    for (const line of [
      /^ok +versions +tooltrail \d.* on Node \d/m,
      new RegExp(`^ok +store +${join(home, "tooltrail.db")}$`, "m"),
      /^ok +permissions /m,
      /^ok +config +calls are kept until you prune them$/m,
      new RegExp(`^ok +schema +schema ${latestMigration}`, "m"),
      /^ok +integrity /m,
      /^ok +counts /m,
      /^ok +sums /m,
      /^ok +space +the store's file keeps no space/m,
      /^ok +last call +Bash, \d{4}-/m,
      /^ok +spool /m,
      /^ok +drafts /m,
      /^warning +registered +no agent's settings have tooltrail's hook/m,
      /^(ok|warning) +hook +the hook takes \d+ ms a call, Node alone \d+ ms/m,
    ]) {
      assert.match(stdout, line)
    }
    assert.lengthOf(lines(stdout), 14)
  })

  it("prints one JSON value, sees what makes the hook slow, and ends with 1 where a person is needed", async () => {
    const home = await usedHome()
    changeStore(home, "UPDATE tool_registry SET usage_count = 7")
    const ill = await runCli(home, ["doctor", "--json"], { env: { NODE_OPTIONS: "--no-deprecation" } })
    const report = JSON.parse(ill.stdout) as Report
    assert.deepStrictEqual([ill.code, report.ok, lines(ill.stderr).length], [1, false, 1])
    assert.include(found(report, "hook")[0], "NODE_OPTIONS is set")
    const mended = await runCli(home, ["doctor", "--repair", "--json"])
    assert.deepStrictEqual([mended.code, mended.stderr], [0, ""])
    assert.isTrue((JSON.parse(mended.stdout) as Report).ok)
  })

  it("finds what is amiss, changes nothing, and mends it under --repair without loss", async () => {
    const home = await usedHome()
    const writer = new Database(join(home, "tooltrail.db"))
    writer.exec("BEGIN IMMEDIATE")
    await runHook(home, hookPayload("waiting"))
    await runHook(home, hookPayload("half-made"))
    writer.exec("COMMIT")
    writer.close()
    const spool = join(home, "spool")
    const [, halfMade = ""] = readdirSync(spool).sort()
    renameSync(join(spool, halfMade), join(spool, `${halfMade}.part`))
    writeFileSync(join(spool, "000.json.part"), '{"owed"')
    writeFileSync(join(home, "tooltrail.db.new-1-abc"), "")
    for (const path of [
      join(spool, `${halfMade}.part`),
      join(spool, "000.json.part"),
      join(home, "tooltrail.db.new-1-abc"),
    ]) {
      old(path)
    }
    writeFileSync(join(spool, "111.json.part"), '{"owed"')
    writeFileSync(join(home, "tooltrail.db.new-2-abc"), "")
    changeStore(home, "UPDATE tool_registry SET usage_count = 7; UPDATE rollup_state SET rolled_to = 1")
    chmodSync(home, 0o755)
    chmodSync(join(home, "tooltrail.db"), 0o644)
    chmodSync(join(home, "tooltrail.db.new-2-abc"), 0o600)
    chmodSync(join(spool, "111.json.part"), 0o600)
    writeFileSync(join(home, "notes.txt"), "not tooltrail's", { mode: 0o644 })

    const ill = await examine(home)
    assert.match(found(ill, "permissions")[0] ?? "", /^problem: .*home has mode 755, it should have 700, and \d+ more/)
    assert.match(found(ill, "counts")[0] ?? "", /^problem: Bash counts 7, its calls add up to 1;/)
    assert.match(
      found(ill, "sums")[0] ?? "",
      /^problem: the sums have no calls of Bash in \d{4}-\d\d-\d\d \(UTC\), where there are 1, and 1 more sum; --repair adds up anew/,
    )
    assert.match(found(ill, "spool")[0] ?? "", /^warning: 1 call /)
    assert.match(found(ill, "drafts")[0] ?? "", /^warning: 3 half-written files/)
    assert.deepStrictEqual(totals(home), { events: 1, successes: 1, aggregate: 7 })

    const mended = await examine(home, true)
    assert.includeMembers(found(mended, "repair"), [
      "ok: removed 2 half-written files",
      "ok: took 1 whole call from half-made spool files",
      "ok: stored 2 calls from the spool",
      "ok: counted 1 tool anew",
      "ok: added 2 sums up anew",
    ])
    assert.isTrue(mended.ok)
    assert.deepStrictEqual(totals(home), { events: 3, successes: 3, aggregate: 3 })
    assert.strictEqual(statSync(home).mode & 0o777, 0o700)
    assert.strictEqual(statSync(join(home, "tooltrail.db")).mode & 0o777, 0o600)
    assert.strictEqual(statSync(join(home, "notes.txt")).mode & 0o777, 0o644)
    assert.sameMembers(readdirSync(spool), ["111.json.part", "reserve"])
    assert.isTrue(existsSync(join(home, "tooltrail.db.new-2-abc")))
    assert.isEmpty(found(await examine(home, true), "repair"))
  })

  it("says how many calls are not in the sums yet, and adds them under --repair", async () => {
    const home = await usedHome()
    changeStore(home, "UPDATE rollup_state SET fill_until = 1, rolled_to = 1")
    assert.match(
      found(await examine(home), "sums")[0] ?? "",
      /^warning: 1 call to be added to them by the next reconcile/,
    )
    const mended = await examine(home, true)
    assert.deepStrictEqual(found(mended, "repair"), ["ok: added 1 call to the sums"])
    assert.match(found(mended, "sums")[0] ?? "", /^ok: /)
    assert.isEmpty(found(await examine(home, true), "repair"))
  })

  it("says that the file of an older store keeps what is pruned, and writes it anew under --repair", async () => {
    const home = await usedHome()
    changeStore(home, "PRAGMA auto_vacuum = NONE; VACUUM")
    changeStore(
      home,
      `INSERT INTO tool_usage_events (tool_name, session_id, success, created_at, agent, tool_use_id)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
       SELECT 'Bash', 'session-' || i / 150, 1, datetime('2020-01-01', '+' || i || ' minutes'), 'claude-code', 'call-' || i
       FROM n`,
    )
    const pages = () => readStore(home, (all) => Number(all("PRAGMA page_count")[0]?.page_count))
    const pruned = await runCli(home, ["prune", "--older-than", "30d"])
    assert.match(
      pruned.stdout,
      /^Pruned 20000 calls .* \d+ KiB in the store's file are unused, .*; `tooltrail doctor --repair` rewrites it\.\n$/,
    )
    const again = await runCli(home, ["prune", "--older-than", "30d", "--json"])
    const { events, freed_bytes, kept_bytes } = JSON.parse(again.stdout)
    assert.deepStrictEqual([events, freed_bytes, kept_bytes > 1_000_000], [0, 0, true])
    assert.match(found(await examine(home), "space")[0] ?? "", /^warning: .* cannot give back \d+ MB that are unused/)
    const before = pages()
    const { stdout } = await runCli(home, ["doctor", "--repair"])
    assert.match(stdout, /wrote the store's file anew, without \d+ MB/)
    assert.isBelow(pages(), before - kept_bytes / 4096 + 2)
    assert.match(found(await examine(home), "space")[0] ?? "", /^ok/)
    assert.deepStrictEqual(
      readStore(home, (all) => all("PRAGMA auto_vacuum")),
      [{ auto_vacuum: 2 }],
    )
    assert.strictEqual(totals(home).aggregate, 20_001)
  })

  it("says what it mended also where the file cannot be written anew", async () => {
    const home = await usedHome()
    changeStore(home, "UPDATE tool_registry SET usage_count = 7")
    const mended = await examine(home, true, withoutRoom)
    assert.deepStrictEqual(found(mended, "repair"), [
      "ok: counted 1 tool anew",
      "problem: could not write the store anew: the disk is full",
    ])
    assert.strictEqual(totals(home).aggregate, 1)
  })

  it("leaves to a person what was set aside, what is damaged and what is too new", async () => {
    const home = await usedHome()
    mkdirSync(join(home, "spool", "unreadable"), { recursive: true, mode: 0o700 })
    writeFileSync(join(home, "spool", "unreadable", "1.json"), "{", { mode: 0o600 })
    assert.match(found(await examine(home, true), "set aside")[0] ?? "", /^problem: 1 spooled call could not/)
    assert.deepStrictEqual(readdirSync(join(home, "spool", "unreadable")), ["1.json"])
    changeStore(home, "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (999, 'x')")
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
    assert.deepStrictEqual(await configured('{"retention":"90d"}'), [
      "ok: calls are pruned when they are older than 90 days",
    ])
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

  it("does not close a folder that serves others", async () => {
    const home = await usedHome()
    chmodSync(home, 0o1777)
    const report = await examine(home, true)
    assert.match(found(report, "repair")[0] ?? "", /^problem: .*it is a folder for all/)
    assert.strictEqual(statSync(home).mode & 0o7777, 0o1777)
  })
})
