import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

export type Value = string | number | null

/** Rows of one statement; more would not make it faster. */
const SIZES = [500, 50, 5, 1] as const

export interface InsertedRows<Row> {
  readonly into: string
  readonly columns: ReadonlyArray<string>
  /** In the order of the columns. */
  readonly values: (row: Row) => ReadonlyArray<Value>
  /** The end of each statement. */
  readonly onConflict?: string
}

/** What the SQLite client returns for a statement. */
const changesOf = (result: unknown): number =>
  typeof result === "object" && result !== null && "changes" in result ? Number(result.changes) : 0

/**
 * Inserts rows, many with each statement, and returns how many were inserted or updated. To be run in a transaction that
 * is rolled back as a whole. `OR FAIL` allows that, and spares SQLite a journal of each statement's pages in
 * a temporary file.
 */
export const makeInsertRows = <Row>(
  sql: SqlClient.SqlClient,
  { into, columns, values, onConflict = "" }: InsertedRows<Row>,
): ((rows: ReadonlyArray<Row>) => Effect.Effect<number, SqlError>) => {
  const row = `(${columns.map(() => "?").join(", ")})`
  const statements = SIZES.map((size) => ({
    size,
    statement: `
      INSERT OR FAIL INTO ${into} (${columns.join(", ")})
      SELECT * FROM (VALUES ${Array.from({ length: size }, () => row).join(", ")}) AS each WHERE true ${onConflict}`,
  }))
  /** `flatMap` takes as long as SQLite does, and an array that grows is copied again and again. */
  const parametersOf = (rows: ReadonlyArray<Row>, from: number, to: number) => {
    const parameters = new Array<Value>((to - from) * columns.length)
    let next = 0
    for (let place = from; place < to; place++) {
      for (const value of values(rows[place] as Row)) parameters[next++] = value
    }
    return parameters
  }
  return Effect.fnUntraced(function* (rows) {
    let changed = 0
    let done = 0
    for (const { size, statement } of statements) {
      for (; done + size <= rows.length; done += size) {
        changed += changesOf(yield* sql.unsafe(statement, parametersOf(rows, done, done + size)).raw)
      }
    }
    return changed
  })
}
