import { execFileSync } from "node:child_process"
import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ProjectResolverLive } from "../../src/layers/files/ProjectResolverLive.ts"
import { ProjectResolver } from "../../src/services/ProjectResolver.ts"
import { temporaryFolder } from "../support/processes.ts"

const rootOf = (start: string) =>
  Effect.gen(function* () {
    const resolver = yield* ProjectResolver
    return (yield* resolver.resolve(start)).root
  }).pipe(Effect.provide(ProjectResolverLive), Effect.runSync)

const git = (folder: string, ...args: ReadonlyArray<string>) =>
  execFileSync(
    "git",
    ["-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", ...args],
    { stdio: "pipe" },
  )

/** A checkout with one commit. */
const checkout = (folder: string): string => {
  mkdirSync(join(folder, "deep", "er"), { recursive: true })
  git(folder, "init", "-q")
  writeFileSync(join(folder, "deep", "file"), "x")
  git(folder, "add", ".")
  git(folder, "commit", "-qm", "first")
  return realpathSync(folder)
}

describe("the project of a folder", () => {
  it("is the checkout around it, also from a subfolder and through a link", () => {
    const folder = temporaryFolder()
    const main = checkout(join(folder, "main"))
    symlinkSync(join(main, "deep"), join(folder, "link"))
    for (const start of [main, join(main, "deep", "er"), join(main, ".git"), join(folder, "link")]) {
      assert.strictEqual(rootOf(start), main)
    }
  })

  it("is the main checkout for a linked worktree", () => {
    const folder = temporaryFolder()
    const main = checkout(join(folder, "main"))
    git(main, "worktree", "add", "-q", join(folder, "linked"))
    assert.strictEqual(rootOf(join(folder, "linked")), main)
    assert.strictEqual(rootOf(join(folder, "linked", "deep")), main)
  })

  it("is one for all worktrees of a bare repository", () => {
    const folder = temporaryFolder()
    const main = checkout(join(folder, "main"))
    for (const [bare, expected] of [
      [join(folder, "bare.git"), join(folder, "bare.git")],
      [join(folder, "hidden", ".bare"), join(folder, "hidden")],
    ] as const) {
      git(folder, "clone", "-q", "--bare", main, bare)
      for (const name of ["one", "two"]) git(bare, "worktree", "add", "-q", "-b", name, `${bare}-${name}`)
      assert.strictEqual(rootOf(`${bare}-one`), realpathSync(expected))
      assert.strictEqual(rootOf(`${bare}-two`), realpathSync(expected))
    }
  })

  it("is the submodule itself for a submodule", () => {
    const folder = temporaryFolder()
    const main = checkout(join(folder, "main"))
    const library = checkout(join(folder, "library"))
    git(main, "submodule", "add", "-q", library, "library")
    assert.strictEqual(rootOf(join(main, "library", "deep")), join(main, "library"))
    git(join(main, "library"), "worktree", "add", "-q", join(folder, "linked"))
    assert.strictEqual(rootOf(join(folder, "linked")), join(main, "library"))
  })

  it("is two for two clones", () => {
    const folder = temporaryFolder()
    const main = checkout(join(folder, "main"))
    git(folder, "clone", "-q", main, "clone")
    assert.notStrictEqual(rootOf(main), rootOf(join(folder, "clone")))
  })

  it("is the folder itself without a checkout, and its path as given if it is gone", () => {
    const folder = realpathSync(temporaryFolder())
    assert.strictEqual(rootOf(folder), folder)
    assert.strictEqual(rootOf(join(folder, "gone", "..", "gone")), join(folder, "gone"))
    const main = checkout(join(folder, "main"))
    rmSync(join(main, "deep"), { recursive: true })
    assert.strictEqual(rootOf(join(main, "deep", "er")), main)
  })

  it("is the worktree itself if its main checkout is gone, or if its .git file cannot be read", () => {
    const folder = realpathSync(temporaryFolder())
    for (const content of ["gitdir: /nowhere/.git/worktrees/x\n", "nonsense", ""]) {
      writeFileSync(join(folder, ".git"), content)
      assert.strictEqual(rootOf(folder), folder)
    }
  })
})
