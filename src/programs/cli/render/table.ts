import Table from "cli-table3"
import stringWidth from "string-width"
import { printable } from "../../../domain/text.ts"
import type { OutputStyle } from "./terminal.ts"
import { cut } from "./text.ts"

export interface Column<Row> {
  readonly title: string
  readonly align?: "left" | "right"
  readonly value: (row: Row) => string
  /** Colours the value, which is safe for the terminal by then. */
  readonly paint?: (text: string, row: Row) => string
  /** May be cut to this many characters if the table is wider than a line. */
  readonly atLeast?: number
  /** Left out first if the table is wider than a line, before anything is cut. */
  readonly optional?: boolean
  /** Left out if cutting is not enough, lowest number first. */
  readonly dispensable?: number | undefined
}

const noBorders = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].flatMap((names) => names.map((name) => [name, ""])),
)

const GAP = 2

type Sized<Row> = readonly [column: Column<Row>, width: number]

const tableWidth = <Row>(sized: ReadonlyArray<Sized<Row>>): number =>
  sized.reduce((sum, [, width]) => sum + width + GAP, -GAP)

/** Cuts from the right as much as is needed and may be cut. */
const narrow = <Row>(sized: ReadonlyArray<Sized<Row>>, excess: number): ReadonlyArray<Sized<Row>> =>
  sized.reduceRight<{ readonly left: number; readonly fitting: ReadonlyArray<Sized<Row>> }>(
    ({ left, fitting }, [column, width]) => {
      const least = Math.max(stringWidth(column.title), column.atLeast ?? width)
      const less = Math.max(0, Math.min(left, width - least))
      return { left: left - less, fitting: [[column, width - less], ...fitting] }
    },
    { left: excess, fitting: [] },
  ).fitting

/** What fits on a line: the columns, and how wide each may be. */
const fitColumns = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  style: OutputStyle,
): ReadonlyArray<Sized<Row>> => {
  const sized = columns.map((column): Sized<Row> => {
    const values = rows.map((row) => stringWidth(printable(column.value(row))))
    return [column, Math.max(stringWidth(column.title), ...values)]
  })
  const excess = tableWidth(sized) - style.width
  if (excess <= 0 || !style.isTerminal) return sized
  const without = (isLeftOut: (column: Column<Row>) => boolean) =>
    fitColumns(
      columns.filter((column) => !isLeftOut(column)),
      rows,
      style,
    )
  if (columns.some(({ optional }) => optional)) return without(({ optional }) => optional === true)
  const fitting = narrow(sized, excess)
  const least = Math.min(...columns.map(({ dispensable = Number.POSITIVE_INFINITY }) => dispensable))
  return tableWidth(fitting) <= style.width || !Number.isFinite(least)
    ? fitting
    : without(({ dispensable }) => dispensable === least)
}

/** Aligned columns under dim titles, without borders. */
export const renderTable = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  style: OutputStyle,
): string => {
  const fitting = fitColumns(columns, rows, style)
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
