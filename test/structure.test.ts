import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { cruise, type IConfiguration } from "dependency-cruiser"
import { temporaryFolder } from "./support/processes.ts"

const root = join(import.meta.dirname, "..")

const require = createRequire(import.meta.url)
const rules = require("../.dependency-cruiser.cjs") as IConfiguration
const rulesOfHook = require("../.dependency-cruiser.hook.cjs") as IConfiguration

/** What the check of imports says of a tree of these files if it refuses it. `npm run lint` checks the tree that is here. */
const refusals = async (files: Record<string, string>, { options, ...ruleSet } = rules): Promise<string> => {
  const folder = temporaryFolder()
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  symlinkSync(join(root, "tsconfig.json"), join(folder, "tsconfig.json"))
  writeFileSync(join(folder, "package.json"), "{}")
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  const { exitCode, output } = await cruise(["src"], {
    ...options,
    ruleSet,
    validate: true,
    baseDir: folder,
    outputType: "err",
  })
  return exitCode === 0 ? "" : String(output)
}

describe("the direction of imports", () => {
  it.each<[string, string, Record<string, string>]>([
    [
      "domain importing services",
      "domain-imports-only",
      { "src/domain/a.ts": 'import "../services/b.ts"', "src/services/b.ts": "" },
    ],
    [
      "services importing layers",
      "services-imports-only",
      { "src/services/a.ts": 'import "../layers/b.ts"', "src/layers/b.ts": "" },
    ],
    [
      "layers importing programs",
      "layers-imports-only",
      { "src/layers/a.ts": 'import "../programs/b.ts"', "src/programs/b.ts": "" },
    ],
    [
      "a room of its own importing programs",
      "nothing-imports-programs",
      { "src/x/a.ts": 'import "../programs/b.ts"', "src/programs/b.ts": "" },
    ],
    ["src importing tests", "src-imports-src-only", { "src/domain/a.ts": 'import "../../test/b.ts"', "test/b.ts": "" }],
    ["domain using the file system", "no-node-module", { "src/domain/a.ts": 'import "node:fs"' }],
    ["domain using SQL", "are-pure", { "src/domain/a.ts": 'import "@effect/sql/SqlClient"' }],
    ["a barrel", "no-barrels", { "src/layers/a.ts": 'import { Effect } from "effect"\nexport const x = Effect.void' }],
    [
      "the hook loading the command line",
      "hook-never-loads-the-cli",
      { "src/programs/hook.ts": 'import "./b.ts"', "src/programs/b.ts": 'import "@effect/cli/Command"' },
    ],
    ["a cycle", "no-circular", { "src/domain/a.ts": 'import "./b.ts"', "src/domain/b.ts": 'import "./a.ts"' }],
  ])("refuses %s", async (_, rule, files) => {
    assert.include(await refusals(files), rule)
  })

  it("lets the hook have types of schemas and load them on demand, and refuses to load them at once", async () => {
    const hook = (line: string) =>
      refusals({ "src/programs/hook.ts": 'import "./b.ts"', "src/programs/b.ts": line }, rulesOfHook)
    assert.strictEqual(await hook('import type * as Schema from "effect/Schema"\nexport type X = Schema.Schema<1>'), "")
    assert.strictEqual(await hook('export const x = () => import("effect/Schema")'), "")
    assert.include(
      await hook('import * as Schema from "effect/Schema"\nexport const x = Schema.String'),
      "hook-loads-little",
    )
  })

  it("accepts what is right", async () => {
    assert.strictEqual(
      await refusals({
        "src/programs/a.ts": 'import "../layers/b.ts"',
        "src/layers/b.ts":
          'import "../domain/c.ts"\nimport * as Effect from "effect/Effect"\nexport const x = Effect.void',
        "src/domain/c.ts": "",
      }),
      "",
    )
  })
})
