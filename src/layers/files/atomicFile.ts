import {
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname } from "node:path"
import { draftFile } from "./ownedFiles.ts"

// How a file is written whole: aside, then renamed. Programs start with this, so it must not load Effect.

const DRAFT_LIFETIME_MILLIS = 60_000

/** Whether the process that wrote this draft must have died, by the draft's age. */
export const isAbandoned = (draft: string, now: number): boolean => {
  const file = statSync(draft, { throwIfNoEntry: false })
  return file !== undefined && now - file.mtimeMs > DRAFT_LIFETIME_MILLIS
}

/** Writes a draft and gives it its name, in the place of what has that name. Throws the system's error. */
export const writeAside = (path: string, mode: number, write: (file: number, draft: string) => void): void => {
  const draft = draftFile(path)
  try {
    const file = openSync(draft, "wx", mode)
    try {
      write(file, draft)
    } finally {
      closeSync(file)
    }
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

const sync = (path: string, flags: "r" | "r+"): void => {
  const handle = openSync(path, flags)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Returns when what was written to a file is on the disk. Throws the system's error. */
export const syncFile = (path: string): void => sync(path, "r+")

/** The same for the names in a folder. */
const syncFolder = (folder: string): void => {
  // Windows cannot sync a folder.
  if (process.platform !== "win32") sync(folder, "r")
}

/**
 * Puts content in a file's place and on the disk, whole or not at all. A file that is there keeps its mode and owner, a new
 * one gets `mode`. `path` must not be a link. Throws the system's error.
 */
export const replaceFile = (path: string, content: string | Uint8Array, mode: number): void => {
  const old = statSync(path, { throwIfNoEntry: false })
  writeAside(path, old === undefined ? mode : 0o600, (file, draft) => {
    writeFileSync(file, content)
    if (old !== undefined) fchmodSync(file, old.mode & 0o7777)
    fsyncSync(file)
    if (old !== undefined && process.getuid?.() === 0) chownSync(draft, old.uid, old.gid)
  })
  syncFolder(dirname(path))
}

/**
 * Gives a whole draft its name, unless there is a file of that name. Not every file system has hard links; without them a file
 * made by another process in this very moment is replaced. Throws the system's error.
 */
export const publish = (draft: string, path: string): void => {
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" || existsSync(path)) throw error
    renameSync(draft, path)
  }
}
