import { closeSync, constants, openSync, statSync, truncateSync, writeSync } from "node:fs"

// A file that does nothing but take up room, so that a full disk has some for the spool.

const WHOLE_BYTES = 1024 * 1024
/** Room for sixteen calls on a disk with blocks of 4 KiB. */
const STEP_BYTES = 64 * 1024

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Bytes that no file system can compress or leave out. */
const noise = (bytes: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let state = 0x9e3779b9
  for (let place = 0; place < words.length; place++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[place] = state
  }
  return new Uint8Array(words.buffer, 0, bytes)
}

/** Makes the reserve whole, or leaves it as it was and throws the system's error. */
export const fillReserve = (path: string): void => {
  const size = sizeOf(path)
  if (size >= WHOLE_BYTES) return
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const missing = noise(WHOLE_BYTES - size)
    for (let written = 0; written < missing.length; ) {
      written += writeSync(file, missing, written, missing.length - written, size + written)
    }
  } catch (error) {
    truncateSync(path, size)
    throw error
  } finally {
    closeSync(file)
  }
}

/** Gives a part of the reserve back to the disk; false where there is none left. Throws the system's error. */
export const shrinkReserve = (path: string): boolean => {
  const size = sizeOf(path)
  if (size === 0) return false
  truncateSync(path, Math.max(0, size - STEP_BYTES))
  return true
}
