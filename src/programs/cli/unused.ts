import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { COVERAGE_NEEDED, type Evidence, type KnownCoverage } from "../../domain/Evidence.ts"
import { findUnused, type Unused } from "../../domain/findUnused.ts"
import { format } from "../../domain/TimeWindow.ts"
import { counted } from "../../domain/text.ts"
import { gatherEvidence } from "../history/evidence.ts"
import { answer, resolveScope, type View } from "./answer.ts"
import { described } from "./command.ts"
import { folder, json, sinceOr, utc } from "./options.ts"
import { explainEvidence } from "./render/evidence.ts"
import { renderTable } from "./render/table.ts"
import { paragraph } from "./render/text.ts"
import { renderNone } from "./render/usage.ts"

const since = sinceOr("30d")

const kinds: Partial<Record<Unused["type"], string>> = {
  mcp_server: "MCP server",
  mcp_tool: "MCP tool",
  slash_command: "slash command",
}

const kind = ({ type, scope, tools }: Unused): string =>
  [
    ...(scope === "plugin" && type !== "plugin" ? ["plugin's"] : []),
    kinds[type] ?? type,
    ...(type === "mcp_server" && tools.length > 0 ? [`with ${counted(tools.length, "tool")}`] : []),
  ].join(" ")

const renderUnused = (rows: ReadonlyArray<Unused>, view: View): string =>
  renderTable(
    [
      { title: "NOT CALLED", atLeast: 12, value: (row) => row.name },
      { title: "KIND", atLeast: 10, dispensable: 1, value: kind },
      { title: "CALLS EVER", align: "right", value: (row) => String(row.usage_count) },
      { title: "LAST USED", value: (row) => (row.last_used === null ? "never" : view.time(row.last_used)) },
    ],
    rows,
    view,
  )

const coverageOf = (evidence: Evidence): KnownCoverage | null => {
  if (evidence.verdict === "enough") return Option.getOrNull(evidence.coverage)
  return "coverage" in evidence ? evidence.coverage : null
}

/** One shape, whatever the verdict; without enough evidence nothing is called unused. */
const toJson = (evidence: Evidence, windowStart: string | null, rows: ReadonlyArray<Unused>) => ({
  verdict: evidence.verdict,
  reason: evidence.verdict === "enough" ? null : evidence.reason,
  window_start: windowStart,
  observed_from: "observedFrom" in evidence ? evidence.observedFrom : null,
  observed_until: "observedUntil" in evidence ? evidence.observedUntil : null,
  coverage: coverageOf(evidence)?.share ?? null,
  coverage_from: coverageOf(evidence)?.from ?? null,
  coverage_needed: COVERAGE_NEEDED,
  unused: evidence.verdict === "enough" ? rows : null,
})

const nothingRecorded: Evidence = { verdict: "not enough", reason: "nothing recorded" }

export const unused = Command.make("unused", { since, folder, json, utc }, ({ since, folder, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(folder)
      const { windowStart, evidence, coverage, registry } = yield* gatherEvidence(scope.selection, since)
      // What is not recorded yet was called all the same.
      const missing = new Set(coverage.missing_tools.map(({ tool_name }) => tool_name))
      return { scope, windowStart, evidence, rows: findUnused(registry, scope.selection, windowStart, missing) }
    }),
    toJson: (answer) =>
      answer === undefined
        ? toJson(nothingRecorded, null, [])
        : toJson(answer.evidence, answer.windowStart, answer.rows),
    render: ({ scope, evidence, rows }, view) => {
      const period = `in the last ${format(since)} ${scope.description}`
      const [what, hint] = explainEvidence(evidence, { period: format(since), scope, time: view.time })
      if (evidence.verdict === "not enough") return renderNone(what, hint, view)
      return rows.length === 0
        ? renderNone(`Every known tool was called ${period}.`, what, view)
        : [
            paragraph(`Known, but not called ${period}:`, view),
            "",
            renderUnused(rows, view),
            "",
            paragraph(what, view),
          ].join("\n")
    },
  }),
).pipe(
  described(
    "Tools that are known but were not called lately; MCP servers first, because they cost context in every session.",
    "tooltrail unused --since 30d",
  ),
)
