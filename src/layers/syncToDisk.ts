import { closeSync, fsyncSync, openSync } from "node:fs"

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

/** The same of the names in a folder. */
export const syncFolder = (folder: string): void => {
  // Windows has no way to sync a folder.
  if (process.platform !== "win32") sync(folder, "r")
}
