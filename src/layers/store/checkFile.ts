import { closeSync, openSync, readSync } from "node:fs"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { DamagedStore, PersistenceError } from "../../domain/StoreError.ts"

/** Fails if better-sqlite3's compiled part is missing or is for another Node. The message names the command that repairs it. */
export const checkDriver: Effect.Effect<void, PersistenceError> = Effect.try({
  try: () => void new Database(":memory:").close(),
  catch: (cause) => new PersistenceError({ operation: "use SQLite", reason: "unavailable", cause }),
})

const HEADER_BYTES = 100
const MAGIC = "SQLite format 3\0"

/**
 * Whether the file is as long as its own header says. Throws `DamagedStore` if it has no header. This is checked
 * before SQLite opens the file, because SQLite would trust a WAL beside it, and write that into it. Source: https://www.sqlite.org/fileformat2.html#the_database_header
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
