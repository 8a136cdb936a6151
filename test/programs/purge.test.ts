import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import {
  cliProgram,
  type Finished,
  hookPayload,
  runCli,
  runHook,
  runProgram,
  temporaryFolder,
} from "../support/processes.ts"

const succeeds = ({ code, stdout, stderr }: Finished): string => {
  assert.deepStrictEqual([code, stderr], [0, ""])
  return stdout
}

const everyFile = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** A home in which tooltrail made every kind of its files. */
const fullHome = async (): Promise<string> => {
  const home = join(temporaryFolder(), "home")
  await runHook(home, hookPayload("a"))
  await runHook(home, "not JSON")
  succeeds(await runCli(home, ["backup"]))
  const [backup = ""] = readdirSync(join(home, "backups"))
  succeeds(await runCli(home, ["restore", join(home, "backups", backup)]))
  succeeds(await runCli(home, ["reconcile"]))
  await runCli(home, ["install", "--mode", "http"], { env: { HOME: temporaryFolder() } })
  const writer = new Database(join(home, "tooltrail.db"))
  writer.exec("BEGIN IMMEDIATE")
  await Promise.all(["b", "c", "d"].map((id) => runHook(home, hookPayload(id))))
  writer.exec("COMMIT")
  writer.close()
  const [unread = "", draft = ""] = readdirSync(join(home, "spool")).sort()
  mkdirSync(join(home, "spool", "unreadable"), { recursive: true })
  renameSync(join(home, "spool", unread), join(home, "spool", "unreadable", unread))
  renameSync(join(home, "spool", draft), join(home, "spool", `${draft}.new-1-abc`))
  for (const name of [
    "config.json",
    "tooltrail.log.1",
    "tooltrail.db.new-1-abc",
    "tooltrail.db.new-1-abc-wal",
    "serve.token.new-1-abc",
    "serve.token.new-1",
    "plugin-notice",
    "import.lock",
    "code-cache/hook-bundle-0123456789abcdef-v20.20.2-x64.bin",
  ]) {
    write(join(home, name), '{ "retention": "90d" }')
  }
  return home
}

describe("uninstall --purge", () => {
  it("removes every file of tooltrail's, and the home with them", async () => {
    const home = await fullHome()
    const { purged } = JSON.parse(succeeds(await runCli(home, ["uninstall", "--purge", "--dry-run", "--json"]))) as {
      purged: ReadonlyArray<string>
    }
    assert.deepStrictEqual([...purged].sort(), everyFile(home))
    for (const name of ["reconcile.lock", "serve.token", "tooltrail.log", "tooltrail.installations.json"])
      assert.include(purged, join(home, name))
    assert.include(succeeds(await runCli(home, ["uninstall", "--purge", "--yes"])), "Removed all")
    assert.isFalse(existsSync(home))
  })

  it("removes nothing else, whatever its name is", async () => {
    const home = await fullHome()
    rmSync(join(home, "config.json"))
    const foreign = [
      "backups/family-photos.tar",
      "backups/my.db",
      "config.json",
      "spool/print-job",
      "spool/unreadable/report.json",
      "code-cache/other.bin",
      "tooltrail-my-notes.md",
      "tooltrail.db.mine",
      "tooltrail.txt",
      "serve.md",
      "reconcile.lock.txt",
      "plugin.js",
      "tooltrail.logs/a.log",
    ].map((name) => join(home, name))
    for (const path of foreign) write(path, '{ "retention": "90d", "editor": "vi" }')
    succeeds(await runCli(home, ["uninstall", "--purge", "--yes"]))
    assert.deepStrictEqual(everyFile(home), [...foreign].sort())
    for (const path of foreign) assert.include(readFileSync(path, "utf8"), "editor")
  })

  it("removes compiled code in the user's cache folder", async () => {
    const user = temporaryFolder()
    const cache = join(user, ".cache", "tooltrail", "code-cache")
    write(join(cache, "hook-bundle-0123456789abcdef-v20.20.2-x64.bin"), "code")
    write(join(cache, "cli-bundle-0123456789abcdef-v20.20.2-x64.bin.new-1-abc"), "code")
    const purge = () => runProgram(cliProgram, { args: ["uninstall", "--purge", "--yes"], env: { HOME: user } })
    succeeds(await purge())
    assert.deepStrictEqual(everyFile(user), [])
    assert.deepStrictEqual(readdirSync(join(user, ".cache")), [])
    write(join(cache, "notes.txt"), "mine")
    succeeds(await purge())
    assert.deepStrictEqual(everyFile(user), [join(cache, "notes.txt")])
  })
})
