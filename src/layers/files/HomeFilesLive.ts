import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import {
  type Configuration,
  defaultConfiguration,
  isOwnConfiguration,
  parseConfiguration,
  UnusableConfiguration,
} from "../../domain/Configuration.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { Home, HomeFiles, type LooseFile } from "../../services/Home.ts"
import { isAbandoned } from "./atomicFile.ts"
import { environmentVariable } from "./HomeLive.ts"
import {
  BACKUPS,
  CODE_CACHE,
  CONFIGURATION,
  findOwned,
  isDraft,
  type OwnedFile,
  type OwnedFolder,
  SPOOL,
  UNREADABLE,
  userCacheFolder,
} from "./ownedFiles.ts"

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, PersistenceError> =>
  Effect.try({ try: run, catch: (cause) => new PersistenceError({ operation, reason: "unavailable", cause }) })

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** An own folder, and what it may hold. */
interface Folder {
  readonly path: string
  readonly kind: OwnedFolder
}

interface Entry {
  readonly path: string
  readonly isLink: boolean
  readonly owned: OwnedFile
}

const isOwnConfigurationFile = (path: string): boolean =>
  isOwnConfiguration(
    Either.getOrElse(
      Either.try(() => readFileSync(path, "utf8")),
      () => "",
    ),
  )

/** Own files in a folder. A folder or a device of such a name is not one. */
const ownEntries = ({ path: folder, kind }: Folder): ReadonlyArray<Entry> =>
  !isFolder(folder)
    ? []
    : readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name)
        const owned = entry.isFile() || entry.isSymbolicLink() ? findOwned(kind, entry.name) : undefined
        if (owned === undefined || (owned.isConfiguration === true && !isOwnConfigurationFile(path))) return []
        return [{ path, isLink: entry.isSymbolicLink(), owned }]
      })

/** `/tmp` and folders like it. */
const servesEverybody = (path: string, mode: number): boolean =>
  (mode & 0o1000) !== 0 || dirname(dirname(path)) === dirname(path)

const make = Effect.gen(function* () {
  const home = yield* Home
  const cache = userCacheFolder({
    HOME: yield* environmentVariable("HOME"),
    XDG_CACHE_HOME: yield* environmentVariable("XDG_CACHE_HOME"),
  })

  /** Inner folders come first. */
  const folders: ReadonlyArray<Folder> = [
    { path: join(home.spool, UNREADABLE), kind: UNREADABLE },
    { path: home.spool, kind: SPOOL },
    { path: join(home.directory, BACKUPS), kind: BACKUPS },
    { path: join(home.directory, CODE_CACHE), kind: CODE_CACHE },
    { path: home.directory, kind: "" },
    ...(cache === undefined ? [] : [{ path: join(cache, CODE_CACHE), kind: CODE_CACHE } as const]),
  ]

  const allEntries = () => folders.flatMap(ownEntries)

  const holdsForeign = (folder: Folder): boolean => {
    const own = new Set(ownEntries(folder).map(({ path }) => path))
    return readdirSync(folder.path)
      .map((name) => join(folder.path, name))
      .some((path) => {
        if (own.has(path)) return false
        const inner = folders.find((other) => other.path === path)
        return inner === undefined || !isFolder(path) || holdsForeign(inner)
      })
  }

  /** A folder is taken for tooltrail's if there is nothing else in it. */
  const looseFolder = (folder: Folder): ReadonlyArray<LooseFile> => {
    const found = lstatSync(folder.path, { throwIfNoEntry: false })
    if (found?.isDirectory() !== true) return []
    const mode = found.mode & 0o777
    const isShared =
      servesEverybody(folder.path, found.mode) || readdirSync(folder.path).length === 0 || holdsForeign(folder)
    // Files are closed by themselves, so a shared folder matters only if others can put files of theirs in their place.
    const isLoose = isShared ? (mode & 0o022) !== 0 : (mode & ~FOLDER_MODE) !== 0
    return isLoose ? [{ path: folder.path, mode, wanted: FOLDER_MODE, isSecret: false, isShared }] : []
  }

  const looseFile = ({ path, isLink, owned }: Entry): ReadonlyArray<LooseFile> => {
    const mode = (lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777
    if (isLink || owned.isConfiguration === true || (mode & ~FILE_MODE) === 0) return []
    return [{ path, mode, wanted: FILE_MODE, isSecret: owned.isSecret === true, isShared: false }]
  }

  const nearest = (path: string): string => (existsSync(path) ? path : nearest(dirname(path)))

  return HomeFiles.of({
    checkWritable: attempt(`write to ${home.directory}`, () => {
      const folder = nearest(home.directory)
      if (!isFolder(folder)) throw new Error(`${folder} is not a folder`)
      accessSync(folder, constants.W_OK | constants.X_OK)
      if (existsSync(home.database)) accessSync(home.database, constants.W_OK)
    }),

    findLoose: attempt(`look into ${home.directory}`, () =>
      process.platform === "win32"
        ? []
        : [...folders.toReversed().flatMap(looseFolder), ...allEntries().flatMap(looseFile)],
    ),

    tighten: Effect.fn("HomeFiles.tighten")(({ path, wanted }) =>
      attempt(`close ${path} to others`, () => chmodSync(path, wanted)),
    ),

    findDrafts: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      return yield* attempt(`look into ${home.directory}`, () =>
        allEntries().flatMap(({ path, owned }) =>
          owned.folder !== SPOOL && isDraft(basename(path)) && isAbandoned(path, now) ? [path] : [],
        ),
      )
    }),

    removeDraft: Effect.fn("HomeFiles.removeDraft")((path) =>
      attempt(`remove the draft ${path}`, () => rmSync(path, { force: true })),
    ),

    findAll: attempt(`look into ${home.directory}`, () => allEntries().map(({ path }) => path)),

    removeAll: Effect.fn("HomeFiles.removeAll")((paths) =>
      attempt(`remove what is in ${home.directory}`, () => {
        for (const path of paths) rmSync(path, { force: true })
        for (const path of [...folders.map(({ path }) => path), ...(cache === undefined ? [] : [cache])]) {
          const isEmptyFolder =
            lstatSync(path, { throwIfNoEntry: false })?.isDirectory() && readdirSync(path).length === 0
          if (isEmptyFolder === true) rmdirSync(path)
        }
      }),
    ),
  })
})

export const HomeFilesLive: Layer.Layer<HomeFiles, never, Home> = Layer.effect(HomeFiles, make)

/** What `config.json` in the home folder says; the default if there is none. */
export const readConfiguration: Effect.Effect<Configuration, UnusableConfiguration, Home> = Effect.gen(function* () {
  const path = join((yield* Home).directory, CONFIGURATION)
  const text = yield* Effect.try({
    try: () => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
    catch: (cause) =>
      new UnusableConfiguration({ path, reason: cause instanceof Error ? cause.message : String(cause) }),
  })
  return text === undefined ? defaultConfiguration : yield* parseConfiguration(text, path)
})
