import { existsSync, readFileSync, realpathSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import * as Cache from "effect/Cache"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { projectFromRoot } from "../../domain/projectFromRoot.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"

const realPath = (path: string): string => (existsSync(path) ? realpathSync.native(path) : path)

/** The nearest folder upward that holds `.git`. */
export const findCheckout = (folder: string): string | undefined => {
  if (existsSync(join(folder, ".git"))) return folder
  const parent = dirname(folder)
  return parent === folder ? undefined : findCheckout(parent)
}

/**
 * The main checkout's folder if `checkout` is a linked worktree: its `.git` is a file `gitdir: <main>/.git/worktrees/<name>`,
 * and the `commondir` file there leads to the main checkout's `.git`. A submodule's `.git` is a file as well, but has no
 * `commondir`. Source: gitrepository-layout(5).
 */
const findMainCheckout = (checkout: string): string => {
  const dotGit = join(checkout, ".git")
  if (!statSync(dotGit).isFile()) return checkout
  const target = /^gitdir: (.+)$/m.exec(readFileSync(dotGit, "utf8"))?.[1]?.trim()
  if (target === undefined) return checkout
  const gitDirectory = resolve(checkout, target)
  const commonDirFile = join(gitDirectory, "commondir")
  if (!existsSync(commonDirFile)) return checkout
  const commonDirectory = resolve(gitDirectory, readFileSync(commonDirFile, "utf8").trim())
  if ([".git", ".bare"].includes(basename(commonDirectory))) return dirname(commonDirectory)
  // A submodule's main checkout is named in its configuration. A bare repository has none, and stands for itself.
  const config = join(commonDirectory, "config")
  const worktree = existsSync(config) ? /^\s*worktree\s*=\s*(.+)$/m.exec(readFileSync(config, "utf8"))?.[1] : undefined
  return worktree === undefined ? commonDirectory : resolve(commonDirectory, worktree.trim())
}

const findRoot = (start: string): string => {
  const folder = realPath(resolve(start))
  const checkout = findCheckout(folder)
  return realPath(checkout === undefined ? folder : findMainCheckout(checkout))
}

export const projectResolver: Context.Tag.Service<ProjectResolver> = {
  resolve: (start) =>
    Effect.try(() => findRoot(start)).pipe(
      Effect.tapError((error) => Effect.logDebug(`could not look for the project of ${start}`, error)),
      Effect.orElseSucceed(() => resolve(start)),
      Effect.map(projectFromRoot),
    ),
}

export const ProjectResolverLive: Layer.Layer<ProjectResolver> = Layer.succeed(ProjectResolver, projectResolver)

/** Remembers the projects of at most `capacity` folders, each for `timeToLive`. */
export const ProjectResolverRemembering = (options: {
  readonly capacity: number
  readonly timeToLive: Duration.DurationInput
}): Layer.Layer<ProjectResolver, never, ProjectResolver> =>
  Layer.effect(
    ProjectResolver,
    Effect.gen(function* () {
      const resolver = yield* ProjectResolver
      const remembered = yield* Cache.make({ ...options, lookup: resolver.resolve })
      return ProjectResolver.of({ resolve: (start) => remembered.get(start) })
    }),
  )
