import Table from "cli-table3"
import stringWidth from "string-width"
import { printable } from "../../domain/printable.ts"
import type { OutputStyle } from "./terminal.ts"
import { cut } from "./text.ts"

export interface Column<Row> {
  readonly title: string
  readonly align?: "left" | "right"
  readonly value: (row: Row) => string
  /** Colours the value, which is safe for the terminal by then. */
  readonly paint?: (text: string, row: Row) => string
  /** Cut where the table is wider than a line, but not below so many characters. */
  readonly atLeast?: number
  /** Left out where the table is wider than a line. */
  readonly optional?: boolean
}

const noBorders = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].flatMap((names) => names.map((name) => [name, ""])),
)

const GAP = 2

/** What fits on a line: the columns, and how wide each may be. */
const fitColumns = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  width: number,
): ReadonlyArray<readonly [Column<Row>, number]> => {
  const sized = columns.map(
    (column) =>
      [
        column,
        Math.max(stringWidth(column.title), ...rows.map((row) => stringWidth(printable(column.value(row))))),
      ] as const,
  )
  const excess = sized.reduce((sum, [, size]) => sum + size + GAP, -GAP) - width
  if (excess <= 0) return sized
  if (columns.some(({ optional }) => optional)) {
    return fitColumns(
      columns.filter(({ optional }) => !optional),
      rows,
      width,
    )
  }
  return sized.map(([column, size]) => {
    const least = column.atLeast ?? size
    return [column, size > least ? Math.max(least, size - excess) : size] as const
  })
}

/** Aligned columns under dim titles, without borders. */
export const renderTable = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  style: OutputStyle,
): string => {
  const fitting = fitColumns(columns, rows, style.width)
  const table = new Table({
    chars: { ...noBorders, middle: " ".repeat(GAP) },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: fitting.map(([column]) => column.align ?? "left"),
    head: fitting.map(([column]) => style.colors.dim(column.title)),
  })
  for (const row of rows) {
    table.push(
      fitting.map(([{ value, paint }, width]) => {
        const text = cut(printable(value(row)), width, style)
        return paint === undefined ? text : paint(text, row)
      }),
    )
  }
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
}
