import { closeSync, openSync, readSync } from "node:fs"
import { DamagedStore } from "../../domain/DamagedStore.ts"

const HEADER_BYTES = 100
const MAGIC = "SQLite format 3\0"

/**
 * Whether the file is as long as its own header says. Throws `DamagedStore` where it has no header. This is looked at
 * before SQLite opens the file, because SQLite would take what is in a WAL beside it for the whole, and write that into
 * it. Source: https://www.sqlite.org/fileformat2.html#the_database_header
 */
export const isWholeByHeader = (filename: string, size: number): boolean => {
  if (size === 0) throw new DamagedStore({ message: "it is empty" })
  const header = Buffer.alloc(HEADER_BYTES)
  const file = openSync(filename, "r")
  try {
    readSync(file, header, 0, HEADER_BYTES, 0)
  } finally {
    closeSync(file)
  }
  if (header.toString("latin1", 0, MAGIC.length) !== MAGIC)
    throw new DamagedStore({ message: "file is not a database" })
  // 1 stands for 65,536.
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
  return size >= header.readUInt32BE(28) * pageBytes
}
