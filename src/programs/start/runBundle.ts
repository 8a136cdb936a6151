// The hook starts with this, so it imports as little as possible.
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { Script } from "node:vm"
import { writeAside } from "../../layers/files/atomicFile.ts"
import { CODE_CACHE, isCodeCache, userCacheFolder } from "../../layers/files/ownedFiles.ts"

declare const require: NodeJS.Require

/** Two programs of other versions may share a folder, so each leaves the other's code for a while. */
const OLD_MILLIS = 24 * 3600 * 1000

/** Beside the bundle, or if that cannot be written, in the user's own cache folder. */
const cacheFolders = (): ReadonlyArray<string> => {
  const own = process.env.TOOLTRAIL_HOME || userCacheFolder(process.env)
  return [`${__dirname}/${CODE_CACHE}`, ...(own?.startsWith("/") ? [`${own}/${CODE_CACHE}`] : [])]
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

/** Removes the code of older builds and of other versions of Node. */
const removeOld = (folder: string, cacheName: string): void => {
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`
    const isOther = name !== cacheName && isCodeCache(name)
    if (isOther && Date.now() - statSync(path).mtimeMs > OLD_MILLIS) rmSync(path, { force: true })
  }
}

const writeCache = (folder: string, { cacheName, makesFolder, makeCode }: CacheWriter): boolean => {
  try {
    if (makesFolder) mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isOursAlone(statSync(folder))) return false
    writeAside(`${folder}/${cacheName}`, 0o600, (file) => {
      writeFileSync(file, makeCode())
      // V8 checks no more than its head and its length before it runs it.
      fsyncSync(file)
    })
    removeOld(folder, cacheName)
    return true
  } catch {
    return false
  }
}

/**
 * Runs a bundle beside the program, compiled by V8 from a cache of its code: to compile takes longer than most of what is run.
 * If there is no cache for this bundle (by its `hash`) and this version of Node, it is made: beside the bundle, or in a folder
 * of the user's own, which only some programs may make.
 */
export const runBundle = (name: string, hash: string, makesOwnFolder: boolean): void => {
  const path = `${__dirname}/${name}.cjs`
  const cacheName = `${name}-${hash}-${process.version}-${process.arch}.bin`
  const folders = cacheFolders()
  let cachedData: Buffer | undefined
  for (const folder of folders) cachedData ??= readCache(folder, cacheName)

  // The bundle is ASCII, and Latin-1 needs no decoding. It is one function.
  const source = readFileSync(path, "latin1")
  const script = new Script(source, { filename: path, ...(cachedData === undefined ? {} : { cachedData }) })
  if (cachedData === undefined || script.cachedDataRejected === true) {
    // At the exit, because then all functions that ran are compiled.
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
