import { printable } from "../../domain/printable.ts"
import type { DimensionStats } from "../../domain/Usage.ts"
import type { View } from "./answer.ts"
import { renderTable } from "./table.ts"

/** Counts, failures and last use of each tool (or whatever `title` names). */
export const renderUsage = (title: string, rows: ReadonlyArray<DimensionStats>, view: View): string =>
  renderTable(
    [
      { title, value: (row) => row.key },
      { title: "CALLS", align: "right", value: (row) => String(row.usage_count) },
      {
        title: "FAILED",
        align: "right",
        value: (row) => String(row.failures),
        paint: (text, row) => (row.failures > 0 ? view.colors.red(text) : view.colors.dim(text)),
      },
      { title: "LAST USED", value: (row) => view.time(row.last_used) },
    ],
    rows,
    view,
  )

/** An empty answer, said for a person. `hint` is what to try next. */
export const renderNone = (what: string, hint: string): string => `${printable(what)}\n${hint}`
