import { chmodSync, readdirSync, rmdirSync, rmSync, type Stats, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home } from "../../services/Home.ts"
import { HomeFiles } from "../../services/HomeFiles.ts"

const DRAFT_LIFETIME_MILLIS = 60_000

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

const isDraft = (name: string) => /\.new-\d+-[0-9a-z]+(-wal|-shm|-journal)?$/.test(name)

/** A home may be a folder that holds other things as well. */
const isOwn = (name: string) =>
  ["spool", "backups", "code-cache", "config.json"].includes(name) ||
  /^(tooltrail|serve|reconcile|plugin)[.-]/.test(name)

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, PersistenceError> =>
  Effect.try({ try: run, catch: (cause) => new PersistenceError({ operation, reason: "unavailable", cause }) })

const stat = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false })

const entries = (folder: string): ReadonlyArray<string> =>
  stat(folder)?.isDirectory() === true ? readdirSync(folder).map((name) => join(folder, name)) : []

/** A folder that others use too, e.g. `/tmp`, must not be closed to them. */
const servesOthers = (path: string): boolean => {
  const folder = stat(path)
  if (folder === undefined || !folder.isDirectory()) return false
  return (folder.mode & 0o1000) !== 0 || dirname(dirname(path)) === dirname(path)
}

const make = Effect.gen(function* () {
  const home = yield* Home

  const isFolder = (path: string) => stat(path)?.isDirectory() === true

  const ownPaths = () => [
    home.directory,
    ...entries(home.directory).filter((path) => basename(path).startsWith(basename(home.database, ".db"))),
    ...[home.spool, join(home.spool, "unreadable"), join(home.directory, "backups")].flatMap((folder) =>
      stat(folder) === undefined ? [] : [folder, ...entries(folder)],
    ),
  ]

  const findLoose = attempt(`look into ${home.directory}`, () =>
    process.platform === "win32" || !isFolder(home.directory)
      ? []
      : [...new Set(ownPaths())].flatMap((path) => {
          const file = stat(path)
          if (file === undefined) return []
          const wanted = file.isDirectory() ? FOLDER_MODE : FILE_MODE
          const mode = file.mode & 0o777
          return (mode & ~wanted) === 0 ? [] : [{ path, mode, wanted }]
        }),
  )

  return HomeFiles.of({
    findLoose,

    tighten: Effect.fn("HomeFiles.tighten")(({ path, wanted }) =>
      attempt(`close ${path} to others`, () => {
        if (servesOthers(path)) {
          throw new Error("it is a folder for all; set TOOLTRAIL_HOME to a folder of its own")
        }
        chmodSync(path, wanted)
      }),
    ),

    findDrafts: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      return yield* attempt(`look into ${home.directory}`, () =>
        [...entries(home.directory), ...entries(join(home.directory, "backups"))].filter((path) => {
          const file = isDraft(path) ? stat(path) : undefined
          return file !== undefined && now - file.mtimeMs > DRAFT_LIFETIME_MILLIS
        }),
      )
    }),

    removeDraft: Effect.fn("HomeFiles.removeDraft")((path) =>
      attempt(`remove the draft ${path}`, () => rmSync(path, { force: true })),
    ),

    findAll: attempt(`look into ${home.directory}`, () =>
      entries(home.directory).filter((path) => isOwn(basename(path))),
    ),

    removeAll: Effect.fn("HomeFiles.removeAll")((paths) =>
      attempt(`remove what is in ${home.directory}`, () => {
        for (const path of paths) rmSync(path, { recursive: true, force: true })
        const isEmpty = isFolder(home.directory) && entries(home.directory).length === 0
        if (isEmpty) rmdirSync(home.directory)
        return isEmpty
      }),
    ),
  })
})

export const HomeFilesLive: Layer.Layer<HomeFiles, never, Home> = Layer.effect(HomeFiles, make)
