import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { checkUnchanged } from "../../src/layers/agents/ClaudeCodeSettings.ts"
import { replaceFile } from "../../src/layers/files/atomicFile.ts"
import { temporaryFolder } from "../support/processes.ts"

describe("a file's replacement", () => {
  it("is another file with the old one's mode, so that a reader sees the old or the new, never a part", () => {
    const path = join(temporaryFolder(), "settings.json")
    writeFileSync(path, "old")
    chmodSync(path, 0o640)
    const { ino } = statSync(path)
    replaceFile(path, "new", 0o600)
    const { ino: after, mode } = statSync(path)
    assert.deepStrictEqual([readFileSync(path, "utf8"), mode & 0o777, after === ino], ["new", 0o640, false])
  })

  it("that fails leaves what is there, and no draft", () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, "settings.json"))
    assert.throws(() => replaceFile(join(folder, "settings.json"), "new", 0o600), /EISDIR|EPERM|ENOTEMPTY/)
    assert.deepStrictEqual(readdirSync(folder), ["settings.json"])
  })

  it("is refused if another program wrote in between", () => {
    const path = join(temporaryFolder(), "settings.json")
    checkUnchanged(path, undefined)
    writeFileSync(path, "theirs")
    checkUnchanged(path, "theirs")
    for (const read of [undefined, "mine"])
      assert.throws(() => checkUnchanged(path, read), /another program has just changed it/)
  })
})
