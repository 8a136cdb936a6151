import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

export type Value = string | number | null

/**
 * Rows of one statement. More make it no faster; nor do sizes between these, each of which is to be prepared again where the
 * triggers were gone meanwhile.
 */
const SIZES = [500, 50, 5, 1] as const

export interface InsertedRows<Row> {
  readonly into: string
  readonly columns: ReadonlyArray<string>
  /** In the order of the columns. */
  readonly values: (row: Row) => ReadonlyArray<Value>
  /** Columns beside those, in which all rows that are inserted together are alike. They are bound once for each statement. */
  readonly sharedColumns?: ReadonlyArray<string>
  /** The end of each statement. */
  readonly onConflict?: string
}

/**
 * Inserts rows, many with each statement, and returns how many were inserted or updated. To be run in a transaction, where
 * there is nothing to go back to but its beginning. `OR FAIL` says so, and spares SQLite a journal of each statement's pages in
 * a temporary file.
 */
export const makeInsertRows = <Row>(
  sql: SqlClient.SqlClient,
  { into, columns, values, sharedColumns = [], onConflict = "" }: InsertedRows<Row>,
): ((rows: ReadonlyArray<Row>, shared?: ReadonlyArray<Value>) => Effect.Effect<number, SqlError>) => {
  const row = `(${columns.map(() => "?").join(", ")})`
  const statements = new Map<number, string>()
  const statementOf = (size: number): string => {
    const known = statements.get(size)
    if (known !== undefined) return known
    const statement = `
      INSERT OR FAIL INTO ${into} (${[...sharedColumns, ...columns].join(", ")})
      SELECT ${[...sharedColumns.map(() => "?"), "each.*"].join(", ")}
      FROM (VALUES ${Array.from({ length: size }, () => row).join(", ")}) AS each WHERE true
      ${onConflict}`
    statements.set(size, statement)
    return statement
  }
  /** `flatMap` takes as long as SQLite does, and an array that grows is copied again and again. */
  const parametersOf = (shared: ReadonlyArray<Value>, rows: ReadonlyArray<Row>, from: number, to: number) => {
    const parameters = new Array<Value>(shared.length + (to - from) * columns.length)
    let next = 0
    for (const value of shared) parameters[next++] = value
    for (let place = from; place < to; place++) {
      for (const value of values(rows[place] as Row)) parameters[next++] = value
    }
    return parameters
  }
  return Effect.fnUntraced(function* (rows, shared = []) {
    let changed = 0
    let done = 0
    for (const size of SIZES) {
      for (; done + size <= rows.length; done += size) {
        const result = yield* sql.unsafe(statementOf(size), parametersOf(shared, rows, done, done + size)).raw
        changed += (result as { readonly changes: number }).changes
      }
    }
    return changed
  })
}
