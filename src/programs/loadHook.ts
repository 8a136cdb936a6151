#!/usr/bin/env node
// What `tooltrail-hook` starts: the hook's bundle, compiled by V8 from a cache of its code. Compiling takes longer than
// recording a call. Nothing but what that takes is imported here.
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { Script } from "node:vm"

declare const require: NodeJS.Require

/** Of the bundle that this loader was built with. */
declare const BUNDLE_HASH: string

const bundlePath = `${__dirname}/hook-bundle.cjs`
const cacheName = `${BUNDLE_HASH}-${process.version}-${process.arch}.bin`

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

const readCache = (folder: string): Buffer | undefined => {
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

const writeCache = (folder: string, code: Buffer): boolean => {
  const draft = `${folder}/${cacheName}.${process.pid}`
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isOursAlone(statSync(folder))) return false
    writeFileSync(draft, code, { mode: 0o600 })
    renameSync(draft, `${folder}/${cacheName}`)
    return true
  } catch {
    return false
  }
}

// Whatever happens, a hook must not disturb the agent.
process.on("uncaughtException", (error) => {
  writeSync(2, `tooltrail-hook could not run: ${error.message.split("\n", 1)[0]}\n`)
  process.exit(0)
})

const folders = cacheFolders()
let cachedData: Buffer | undefined
for (const folder of folders) cachedData ??= readCache(folder)

// The bundle is ASCII, and Latin-1 is read without decoding. It is a function of what follows.
const source = readFileSync(bundlePath, "latin1")
const script = new Script(source, { filename: bundlePath, ...(cachedData === undefined ? {} : { cachedData }) })
if (cachedData === undefined || script.cachedDataRejected === true) {
  // At the end, because then what has run is compiled.
  process.on("exit", () => folders.some((folder) => writeCache(folder, script.createCachedData())))
}
const module = { exports: {} }
script.runInThisContext()(require, module, module.exports, __dirname)
