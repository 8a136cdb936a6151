import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { hookProgram, lines, runProgram, temporaryFolder } from "../support/processes.ts"
import { totals } from "../support/store.ts"
import { realTranscripts } from "../support/transcripts.ts"

const root = join(import.meta.dirname, "..", "..")

/** A copy of the built hook, as npm would install it. */
const installation = () => {
  const folder = temporaryFolder()
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  const cache = join(folder, "dist", "code-cache")
  const home = join(folder, "home")
  let calls = 0
  const record = async () => {
    const input = JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", tool_use_id: `${calls++}` })
    const finished = await runProgram(join(folder, "dist", "tooltrail-hook.cjs"), {
      input,
      env: { TOOLTRAIL_HOME: home },
    })
    assert.deepStrictEqual([finished.code, finished.stdout, finished.stderr], [0, "", ""])
    assert.strictEqual(totals(home).events, calls)
  }
  const cacheFile = () => join(cache, readdirSync(cache).find((name) => name.startsWith("hook-bundle-")) ?? "")
  return { folder, cache, cacheFile, home, record }
}

describe("the loader of a program", () => {
  it("has its code from the build, for this version of Node", () => {
    const [cli, hook, ...others] = readdirSync(join(root, "dist", "code-cache")).sort()
    assert.lengthOf(others, 0)
    assert.match(cli ?? "", new RegExp(`^cli-bundle-[0-9a-f]{16}-${process.version}-${process.arch}\\.bin$`))
    assert.match(hook ?? "", new RegExp(`^hook-bundle-[0-9a-f]{16}-${process.version}-${process.arch}\\.bin$`))
  })

  it("makes the cache again where it is gone, readable by its owner only", async () => {
    const { cache, cacheFile, record } = installation()
    rmSync(cache, { recursive: true })
    await record()
    assert.strictEqual(statSync(cache).mode & 0o777, 0o700)
    assert.strictEqual(statSync(cacheFile()).mode & 0o777, 0o600)
    const made = readFileSync(cacheFile())
    await record()
    assert.isTrue(made.equals(readFileSync(cacheFile())))
  })

  it.each<[string, (file: string) => void]>([
    ["cut off", (file) => truncateSync(file, 1000)],
    ["empty", (file) => truncateSync(file, 0)],
    ["some other file", (file) => writeFileSync(file, "no code")],
  ])("runs all the same and makes it again where it is %s", async (_, spoil) => {
    const { cacheFile, record } = installation()
    const size = statSync(cacheFile()).size
    spoil(cacheFile())
    await record()
    assert.isAbove(statSync(cacheFile()).size, size / 2)
    await record()
  })

  it.each<[string, (paths: { cache: string; file: string }) => void]>([
    ["folder", ({ cache }) => chmodSync(cache, 0o777)],
    ["file", ({ file }) => chmodSync(file, 0o666)],
  ])("never takes code from a %s that others can write", async (_, open) => {
    const { cache, cacheFile, home, record } = installation()
    const file = cacheFile()
    open({ cache, file })
    const before = statSync(file).mtimeMs
    await record()
    const replaced = existsSync(join(home, "code-cache")) || statSync(file).mtimeMs !== before
    assert.isTrue(replaced, "the code was not compiled anew")
  })

  it("removes code of older builds and other versions of Node a day later", async () => {
    const { cache, cacheFile, record } = installation()
    const at = (name: string) => join(cache, name)
    const current = cacheFile()
    rmSync(current)
    const old = ["hook-bundle-0123456789abcdef-v20.20.2-x64.bin", "cli-bundle-0123456789abcdef-v18.0.0-x64.bin"]
    const young = "hook-bundle-0123456789abcdef-v24.0.0-x64.bin"
    for (const name of [...old, young, "notes.bin"]) writeFileSync(at(name), "")
    for (const name of [...old, "notes.bin"]) utimesSync(at(name), 1, 1)
    await record()
    for (const name of old) assert.isFalse(existsSync(at(name)), name)
    for (const path of [at(young), at("notes.bin"), current]) assert.isTrue(existsSync(path), path)
  })

  it("keeps the cache in the home folder where it cannot write beside itself", async () => {
    const { folder, cache, home, record } = installation()
    rmSync(cache, { recursive: true })
    // A file in the place of the folder stops root as well.
    writeFileSync(cache, "")
    await record()
    assert.lengthOf(readdirSync(join(home, "code-cache")), 1)
    assert.isTrue(existsSync(join(folder, "dist", "tooltrail-hook.cjs")))
  })

  it("makes no folder of the user's own for the command line", async () => {
    const { folder, cache, home } = installation()
    rmSync(cache, { recursive: true })
    writeFileSync(cache, "")
    const env = { TOOLTRAIL_HOME: home }
    assert.strictEqual((await runProgram(join(folder, "dist", "tooltrail.cjs"), { args: ["--version"], env })).code, 0)
    assert.isFalse(existsSync(home))
  })

  it("makes it of an import so that it holds for other commands", async () => {
    const { folder, cache, home } = installation()
    rmSync(cache, { recursive: true })
    const run = (...args: ReadonlyArray<string>) =>
      runProgram(join(folder, "dist", "tooltrail.cjs"), { args, env: { TOOLTRAIL_HOME: home } })
    assert.include((await run("import", realTranscripts)).stdout, "Recorded 37 calls")
    const file = join(cache, String(readdirSync(cache)[0]))
    const made = statSync(file).mtimeMs
    await run("top")
    assert.strictEqual(statSync(file).mtimeMs, made)
  })

  it("makes the command line's cache again, with which it does the same", async () => {
    const { folder, cache, home } = installation()
    rmSync(cache, { recursive: true })
    const run = async (...args: ReadonlyArray<string>) => {
      const env = { TOOLTRAIL_HOME: home }
      const { code, stdout, stderr } = await runProgram(join(folder, "dist", "tooltrail.cjs"), { args, env })
      return { code, stdout, stderr }
    }
    const before = [await run("--version"), await run("nothing")]
    const files = readdirSync(cache)
    assert.lengthOf(files, 1)
    const made = readFileSync(join(cache, String(files[0])))
    assert.deepStrictEqual([await run("--version"), await run("nothing")], before)
    assert.isTrue(made.equals(readFileSync(join(cache, String(files[0])))))
    assert.deepStrictEqual(
      before.map(({ code }) => code),
      [0, 1],
    )
  })

  it("exits 0 and says why in one line where the bundle is broken", async () => {
    const { folder, cache } = installation()
    rmSync(cache, { recursive: true })
    mkdirSync(join(folder, "home"))
    writeFileSync(join(folder, "dist", "hook-bundle.cjs"), "this is no JavaScript")
    const finished = await runProgram(join(folder, "dist", "tooltrail-hook.cjs"), { input: "{}", env: {} })
    assert.deepStrictEqual([finished.code, finished.stdout, lines(finished.stderr).length], [0, "", 1])
    assert.include(finished.stderr, "tooltrail-hook could not run")
  })

  it("leaves out of the bundle what the hook does not need", () => {
    const bundle = readFileSync(join(root, "dist", "hook-bundle.cjs"), "utf8")
    for (const left of ["@effect/cli", "ChannelExecutor", "ParseResult", "SchemaAST", "HttpServer"])
      assert.notInclude(bundle, left)
    assert.isBelow(statSync(join(root, "dist", "hook-bundle.cjs")).size, 300_000)
    assert.isBelow(statSync(hookProgram).size, 3000)
  })
})
