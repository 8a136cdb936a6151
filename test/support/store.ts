import { join } from "node:path"
import Database from "better-sqlite3"

type Row = Record<string, unknown>

/** Reads a store's file with plain SQL, past all of tooltrail's code. */
export const readStore = <A>(home: string, read: (all: (sql: string) => ReadonlyArray<Row>) => A): A => {
  const database = new Database(join(home, "tooltrail.db"), { readonly: true })
  try {
    return read((sql) => database.prepare(sql).all() as ReadonlyArray<Row>)
  } finally {
    database.close()
  }
}

/** Changes a store's file with plain SQL. */
export const changeStore = (home: string, sql: string): void => {
  const database = new Database(join(home, "tooltrail.db"))
  database.exec(sql)
  database.close()
}

export interface Totals {
  readonly events: number
  readonly successes: number
  readonly aggregate: number
}

export const totals = (home: string): Totals =>
  readStore(home, (all) => {
    const [row] = all(`
      SELECT count(*) AS events, coalesce(sum(success), 0) AS successes,
        (SELECT coalesce(sum(usage_count), 0) FROM tool_registry) AS aggregate
      FROM tool_usage_events`)
    return row as unknown as Totals
  })
