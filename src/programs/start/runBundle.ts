// Nothing but what it takes is imported here: the hook starts with it.
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { Script } from "node:vm"

declare const require: NodeJS.Require

/** Beside the bundle, or where that cannot be written, in the user's own cache folder. */
const cacheFolders = (): ReadonlyArray<string> => {
  const { HOME, TOOLTRAIL_HOME, XDG_CACHE_HOME } = process.env
  const parent = XDG_CACHE_HOME || (HOME ? `${HOME}/.cache` : undefined)
  const own = TOOLTRAIL_HOME || (parent && `${parent}/tooltrail`)
  return [`${__dirname}/code-cache`, ...(own?.startsWith("/") ? [`${own}/code-cache`] : [])]
}

/** Cached code is run as it is, so it is taken only from where nobody else can write. */
const isOursAlone = ({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean =>
  process.getuid === undefined || ((uid === process.getuid() || uid === 0) && (mode & 0o022) === 0)

const readCache = (folder: string, cacheName: string): Buffer | undefined => {
  try {
    if (!isOursAlone(statSync(folder))) return undefined
    const file = openSync(`${folder}/${cacheName}`, "r")
    try {
      return isOursAlone(fstatSync(file)) ? readFileSync(file) : undefined
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

interface CacheWriter {
  readonly cacheName: string
  readonly makesFolder: boolean
  readonly makeCode: () => Buffer
}

const writeCache = (folder: string, { cacheName, makesFolder, makeCode }: CacheWriter): boolean => {
  const draft = `${folder}/${cacheName}.${process.pid}`
  try {
    if (makesFolder) mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isOursAlone(statSync(folder))) return false
    // V8 looks at no more than its head and its length before it runs it.
    writeFileSync(draft, makeCode(), { mode: 0o600, flush: true })
    renameSync(draft, `${folder}/${cacheName}`)
    return true
  } catch {
    return false
  }
}

/**
 * Runs a bundle that lies beside the program, compiled by V8 from a cache of its code: to compile takes longer than most of
 * what is run. The cache is made where there is none for this bundle, which `hash` tells, and this version of Node: beside the
 * bundle, or in a folder of the user's own, which only some programs may make.
 */
export const runBundle = (name: string, hash: string, makesOwnFolder: boolean): void => {
  const path = `${__dirname}/${name}.cjs`
  const cacheName = `${name}-${hash}-${process.version}-${process.arch}.bin`
  const folders = cacheFolders()
  let cachedData: Buffer | undefined
  for (const folder of folders) cachedData ??= readCache(folder, cacheName)

  // The bundle is ASCII, and Latin-1 is read without decoding. It is a function of what follows.
  const source = readFileSync(path, "latin1")
  const script = new Script(source, { filename: path, ...(cachedData === undefined ? {} : { cachedData }) })
  if (cachedData === undefined || script.cachedDataRejected === true) {
    // At the end, because then what has run is compiled.
    process.on("exit", () =>
      folders.some((folder, place) =>
        writeCache(folder, {
          cacheName,
          makesFolder: place === 0 || makesOwnFolder,
          makeCode: () => script.createCachedData(),
        }),
      ),
    )
  }
  const module = { exports: {} }
  script.runInThisContext()(require, module, module.exports, __dirname)
}
