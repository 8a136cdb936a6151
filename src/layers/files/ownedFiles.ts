// Every file that tooltrail keeps. No other file is ever changed or removed, whatever folder it is in.

export const DATABASE = "tooltrail.db"
export const LOG = "tooltrail.log"
export const OLD_LOG = "tooltrail.log.1"
export const INSTALLATIONS = "tooltrail.installations.json"
export const CONFIGURATION = "config.json"
export const TOKEN = "serve.token"
/** The plugin's script made it after it said that no tooltrail is installed. */
const PLUGIN_NOTICE = "plugin-notice"

export const SPOOL = "spool"
export const UNREADABLE = "unreadable"
export const RESERVE = "reserve"
export const BACKUPS = "backups"
export const CODE_CACHE = "code-cache"

/** The locks of a home: one of the server, of reconciling, and of an import into a store that hooks use. */
export type LockName = "serve" | "reconcile" | "import"

export const lockFile = (name: LockName): string => `${name}.lock`

/** A new name for each second, in UTC: `20260131-235959`. */
const timeStamp = (millis: number): string =>
  new Date(millis).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")

export const backupFile = (millis: number): string => `tooltrail-${timeStamp(millis)}.db`
export const replacedFile = (millis: number): string => `${DATABASE}.replaced-${timeStamp(millis)}`

/** The time comes first, so that names sort by age; the rest makes them unique on the machine. */
export const spoolFile = (millis: number): string =>
  `${String(millis).padStart(15, "0")}-${process.pid}-${Math.random().toString(36).slice(2, 10)}.json`

const spooledCall = /^\d{15}-\d+-[0-9a-z]*\.json$/

export const isSpooledCall = (name: string): boolean => spooledCall.test(name)

/** A file is written under its draft's name, and gets its own when it is whole. */
export const draftFile = (name: string): string =>
  `${name}.new-${process.pid}-${Math.random().toString(36).slice(2, 10)}`

const DRAFT = /\.new-\d+(-[0-9a-z]*)?$/

/** SQLite keeps these beside a database in use. */
export const SIDE_FILES = ["-wal", "-shm", "-journal"] as const
const SIDE = /-(wal|shm|journal)$/

const codeCache = /^(cli|hook)-bundle-[0-9a-f]{16}-v[^/]+\.bin$/

/** Whether it is compiled code of this or another build, or a draft of it. */
export const isCodeCache = (name: string): boolean => codeCache.test(name.replace(DRAFT, ""))

/** The folder for compiled code if the program's own folder cannot be written and `TOOLTRAIL_HOME` is not set. */
export const userCacheFolder = (env: {
  readonly HOME?: string | undefined
  readonly XDG_CACHE_HOME?: string | undefined
}): string | undefined => {
  const parent = env.XDG_CACHE_HOME || (env.HOME ? `${env.HOME}/.cache` : undefined)
  return parent?.startsWith("/") ? `${parent}/tooltrail` : undefined
}

export type OwnedFolder = "" | typeof SPOOL | typeof UNREADABLE | typeof BACKUPS | typeof CODE_CACHE

export interface OwnedFile {
  readonly folder: OwnedFolder
  readonly name: string | RegExp
  /** Others who could read it can act as its owner. */
  readonly isSecret?: boolean
  /** A person writes it, with a mode of their choice. Only a file with tooltrail's own keys is tooltrail's. */
  readonly isConfiguration?: boolean
  /** SQLite's files may be beside it. */
  readonly isDatabase?: boolean
  /** A killed process may leave drafts of it. */
  readonly hasDrafts?: boolean
}

const ownedFiles: ReadonlyArray<OwnedFile> = [
  { folder: "", name: DATABASE, isDatabase: true, hasDrafts: true },
  { folder: "", name: /^tooltrail\.db\.replaced-\d{8}-\d{6}$/, isDatabase: true },
  { folder: "", name: LOG },
  { folder: "", name: OLD_LOG },
  { folder: "", name: INSTALLATIONS, hasDrafts: true },
  { folder: "", name: CONFIGURATION, isConfiguration: true },
  { folder: "", name: TOKEN, isSecret: true, hasDrafts: true },
  { folder: "", name: PLUGIN_NOTICE },
  { folder: "", name: /^(serve|reconcile|import)\.lock$/ },
  { folder: SPOOL, name: spooledCall, hasDrafts: true },
  { folder: SPOOL, name: RESERVE },
  { folder: UNREADABLE, name: spooledCall },
  { folder: BACKUPS, name: /^tooltrail-\d{8}-\d{6}\.db$/, isDatabase: true, hasDrafts: true },
  { folder: CODE_CACHE, name: codeCache, hasDrafts: true },
]

/** Whether a name is a draft's, or that of a file beside a draft. */
export const isDraft = (name: string): boolean => DRAFT.test(name.replace(SIDE, ""))

export const isSpooledDraft = (name: string): boolean => isDraft(name) && isSpooledCall(finalName(name))

/** The name of the file that a draft becomes. */
export const finalName = (draft: string): string => draft.replace(SIDE, "").replace(DRAFT, "")

/** What the table says of a file by its name; nothing if it is not tooltrail's. */
export const findOwned = (folder: OwnedFolder, name: string): OwnedFile | undefined => {
  const file = name.replace(SIDE, "")
  const final = file.replace(DRAFT, "")
  return ownedFiles.find(
    (owned) =>
      owned.folder === folder &&
      (typeof owned.name === "string" ? owned.name === final : owned.name.test(final)) &&
      (file === name || owned.isDatabase === true) &&
      (final === file || owned.hasDrafts === true),
  )
}
