import Table from "cli-table3"
import { printable } from "../../domain/printable.ts"
import type { OutputStyle } from "./terminal.ts"

export interface Column<Row> {
  readonly title: string
  readonly align?: "left" | "right"
  readonly value: (row: Row) => string
  /** Colours the value, which is safe for the terminal by then. */
  readonly paint?: (text: string, row: Row) => string
}

const noBorders = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].flatMap((names) => names.map((name) => [name, ""])),
)

/** Aligned columns under dim titles, without borders. */
export const renderTable = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  { colors }: OutputStyle,
): string => {
  const table = new Table({
    chars: { ...noBorders, middle: "  " },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: columns.map((column) => column.align ?? "left"),
    head: columns.map((column) => colors.dim(column.title)),
  })
  for (const row of rows) {
    table.push(
      columns.map(({ value, paint }) => {
        const text = printable(value(row))
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
