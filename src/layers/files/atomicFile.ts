import { randomBytes } from "node:crypto"
import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname } from "node:path"
import { syncFolder } from "./syncToDisk.ts"

/**
 * Puts content in a file's place, whole or not at all. A file that is there keeps its mode and owner, a new one gets `mode`.
 * `path` must not be a link. Throws the system's error.
 */
export const replaceFile = (path: string, content: string | Uint8Array, mode: number): void => {
  const old = statSync(path, { throwIfNoEntry: false })
  const draft = `${path}.new-${process.pid}-${randomBytes(4).toString("hex")}`
  try {
    const handle = openSync(draft, "wx", old === undefined ? mode : 0o600)
    try {
      writeFileSync(handle, content)
      if (old !== undefined) fchmodSync(handle, old.mode & 0o7777)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    if (old !== undefined && process.getuid?.() === 0) chownSync(draft, old.uid, old.gid)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}
