import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { transformSync } from "esbuild"
import { temporaryFolder } from "./support/processes.ts"

const root = join(import.meta.dirname, "..")

describe("the library", () => {
  it("runs the README's example from its exports", () => {
    const [, example] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? []
    const folder = temporaryFolder()
    mkdirSync(join(folder, "node_modules"))
    symlinkSync(root, join(folder, "node_modules", "tooltrail"))
    symlinkSync(join(root, "node_modules", "effect"), join(folder, "node_modules", "effect"))
    writeFileSync(join(folder, "example.mjs"), transformSync(example ?? "", { loader: "ts" }).code)
    const printed = execFileSync(process.execPath, ["example.mjs"], { cwd: folder, encoding: "utf8" })
    assert.match(printed, /tool_name: 'Bash',\s+usage_count: 1,\s+failures: 0/)
  })
})
