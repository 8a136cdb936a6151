import { spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Option from "effect/Option"
import { decodeToolUseLine, type ToolUse } from "../../src/domain/ToolUse.ts"
import {
  type Finished,
  hookPayload,
  hookProgram,
  lines,
  runCli,
  runHook,
  runProgram,
  temporaryFolder,
} from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"
import { toolUse } from "../support/toolUses.ts"

const isRoot = process.getuid?.() === 0
const NOBODY = 65534

const database = (home: string) => join(home, "tooltrail.db")
const spool = (home: string) => join(home, "spool")
const spooled = (home: string) =>
  existsSync(spool(home)) ? readdirSync(spool(home)).filter((name) => name.endsWith(".json")) : []

const usedHome = async (): Promise<string> => {
  const home = join(temporaryFolder(), "home")
  await runHook(home, hookPayload("first"))
  return home
}

const spoolCalls = (home: string, count: number, fields: (place: number) => Partial<ToolUse>) => {
  mkdirSync(spool(home), { mode: 0o700 })
  for (let n = 0; n < count; n++) {
    const line = JSON.stringify(toolUse(fields(n)))
    writeFileSync(join(spool(home), `${String(n).padStart(15, "0")}-1-a.json`), line)
  }
}

const quiet = ({ code, stdout }: Finished) => assert.deepStrictEqual([code, stdout], [0, ""])

describe("a home that is", () => {
  it.each<[string, (home: string) => void]>([
    [
      "read-only",
      (home) => {
        if (isRoot) {
          chmodSync(join(home, ".."), 0o755)
          for (const path of [home, database(home)]) chownSync(path, NOBODY, NOBODY)
        }
        chmodSync(database(home), 0o400)
        chmodSync(home, 0o500)
      },
    ],
    [
      "a file",
      (home) => {
        rmSync(home, { recursive: true })
        writeFileSync(home, "precious")
      },
    ],
    ["with a store of zero bytes", (home) => truncateSync(database(home), 0)],
    ["with a store of other bytes", (home) => writeFileSync(database(home), Buffer.alloc(9000, "no store"))],
    [
      "with a store cut in the middle",
      (home) => truncateSync(database(home), Math.trunc(statSync(database(home)).size / 2)),
    ],
    [
      "with a store of the future",
      (home) => changeStore(home, "INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')"),
    ],
  ])("%s keeps its bytes, and the hook says so in one line", async (name, spoil) => {
    const home = await usedHome()
    spoil(home)
    const file = name === "a file" ? home : database(home)
    const before = readFileSync(file)
    const finished = await runProgram(hookProgram, {
      input: hookPayload("another"),
      env: { TOOLTRAIL_HOME: home },
      cwd: "/",
      ...(name === "read-only" && isRoot ? { uid: NOBODY } : {}),
    })
    quiet(finished)
    assert.lengthOf(lines(finished.stderr), 1, finished.stderr)
    assert.isTrue(before.equals(readFileSync(file)))
    assert.lengthOf(spooled(home === file ? join(home, "..") : home), name.startsWith("with") ? 1 : 0)
  })

  it("without the WAL that its store had still checks clean", async () => {
    const home = await usedHome()
    const writer = new Database(database(home))
    writer.exec("INSERT INTO tool_usage_events (tool_name) VALUES ('Bash')")
    const copy = join(temporaryFolder(), "home")
    mkdirSync(copy)
    copyFileSync(database(home), database(copy))
    writer.close()
    const finished = await runHook(copy, hookPayload("another"))
    quiet(finished)
    assert.isAtMost(lines(finished.stderr).length, 1)
    assert.deepStrictEqual(
      readStore(copy, (all) => all("PRAGMA integrity_check")),
      [{ integrity_check: "ok" }],
    )
    // The first call was in the WAL only; nothing can tell that there was one.
    assert.strictEqual(totals(copy).events + spooled(copy).length, 1)
  })
})

describe("many processes", () => {
  it("record each call once if all arrive at once on a home that does not exist yet", async () => {
    const home = join(temporaryFolder(), "home")
    const all = await Promise.all(Array.from({ length: 16 }, (_, n) => runHook(home, hookPayload(`${n}`))))
    for (const finished of all) {
      quiet(finished)
      assert.strictEqual(finished.stderr, "")
    }
    assert.deepStrictEqual(totals(home), { events: 16, successes: 16, aggregate: 16 })
    assert.isEmpty(readdirSync(home).filter((name) => name.includes(".new-")))
  })

  it("that are killed at any moment leave a whole store and every promised call", async () => {
    const home = await usedHome()
    const started = performance.now()
    await runHook(home, hookPayload("timed"))
    const usual = performance.now() - started
    const promised = ["first", "timed"]
    const victims = 12
    const kill = (n: number) => {
      const script = `const child = require("node:child_process").spawn(process.execPath, [${JSON.stringify(hookProgram)}], { stdio: ["pipe", "ignore", "ignore"] })
        child.stdin.on("error", () => {}).end(${JSON.stringify(hookPayload(`kill-${n}`))})
        setTimeout(() => child.kill("SIGKILL"), ${(usual * 1.2 * n) / victims})
        child.on("exit", (code) => process.stdout.write(String(code)))`
      return runProgram("-e", { args: [script], env: { TOOLTRAIL_HOME: home } })
    }
    for (let n = 0; n < victims; n += 2) {
      for (const [place, { stdout }] of (await Promise.all([kill(n), kill(n + 1)])).entries()) {
        if (stdout === "0") promised.push(`kill-${n + place}`)
      }
    }
    const kept = readStore(home, (all) => all("SELECT tool_use_id AS id FROM tool_usage_events")).map(({ id }) => id)
    for (const name of spooled(home)) {
      kept.push(Option.getOrThrow(decodeToolUseLine(readFileSync(join(spool(home), name), "utf8"))).toolUseId)
    }
    assert.includeMembers(kept, promised)
    assert.deepStrictEqual(
      readStore(home, (all) => all("PRAGMA integrity_check")),
      [{ integrity_check: "ok" }],
    )
    const { events, aggregate } = totals(home)
    assert.isAtMost(Math.abs(events - aggregate), victims)
    assert.strictEqual((await runCli(home, ["doctor", "--repair"])).code, 0)
    const mended = totals(home)
    assert.strictEqual(mended.events, mended.aggregate)
  })

  it("drain a spool at once and store each call once", async () => {
    const home = await usedHome()
    const count = 300
    spoolCalls(home, count, (n) => ({ toolUseId: `spooled-${n}` }))
    for (const { code, stderr } of await Promise.all(Array.from({ length: 5 }, () => runCli(home, ["top"])))) {
      assert.deepStrictEqual([code, stderr], [0, ""])
    }
    assert.deepStrictEqual(totals(home), { events: count + 1, successes: count + 1, aggregate: count + 1 })
    assert.isEmpty(spooled(home))
  })
})

const disk = temporaryFolder()
const mounted = isRoot && spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "test", disk]).status === 0
afterAll(() => {
  if (mounted) spawnSync("umount", [disk])
})

describe("a full disk", () => {
  it.runIf(mounted)("stops no question, and leaves the spool as it is", async () => {
    const home = join(disk, "asking")
    await runHook(home, hookPayload("first"))
    const count = 150
    spoolCalls(home, count, () => ({ target: "x".repeat(300) }))
    spawnSync("dd", ["if=/dev/zero", `of=${join(disk, "filling")}`, "bs=4k"])
    const asked = await runCli(home, ["top", "--all-projects", "--json"])
    rmSync(join(disk, "filling"))
    assert.strictEqual(asked.code, 0, asked.stderr)
    assert.include(asked.stderr, "the spool is not drained: could not write to the store: database or disk is full")
    assert.lengthOf(spooled(home), count)
    assert.strictEqual((await runCli(home, ["top"])).code, 0)
    assert.deepStrictEqual(totals(home), { events: count + 1, successes: count + 1, aggregate: count + 1 })
    rmSync(home, { recursive: true })
  })
})

describe("the reserve", () => {
  it("is made by a query, for the owner only, of bytes that take up room", async () => {
    const home = await usedHome()
    assert.isFalse(existsSync(spool(home)))
    assert.strictEqual((await runCli(home, ["top"])).code, 0)
    const reserve = statSync(join(spool(home), "reserve"))
    assert.deepStrictEqual([reserve.size, reserve.mode & 0o777], [1024 * 1024, 0o600])
    assert.isAtLeast(reserve.blocks * 512, reserve.size)
  })

  it.runIf(mounted)("takes calls when the disk is full, and is whole again when it is not", async () => {
    const home = join(disk, "home")
    await runHook(home, hookPayload("first"))
    await runCli(home, ["top"])
    // The WAL has room for some calls; then only the spool is left, and that only by the reserve.
    let calls = 1
    while (calls < 100 && spooled(home).length < 3) {
      spawnSync("dd", ["if=/dev/zero", `of=${join(disk, `filling-${calls}`)}`, "bs=4k"])
      const finished = await runHook(home, hookPayload(`${calls++}`))
      quiet(finished)
      assert.notInclude(finished.stderr, "lost")
    }
    const reserve = join(spool(home), "reserve")
    assert.lengthOf(spooled(home), 3)
    assert.isBelow(statSync(reserve).size, 1024 * 1024)
    for (const name of readdirSync(disk)) if (name.startsWith("filling")) rmSync(join(disk, name))
    await runCli(home, ["top"])
    assert.deepStrictEqual(totals(home), { events: calls, successes: calls, aggregate: calls })
    assert.isEmpty(spooled(home))
    assert.strictEqual(statSync(reserve).size, 1024 * 1024)
  })
})
