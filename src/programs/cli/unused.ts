import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { COVERAGE_NEEDED, type Evidence, type KnownCoverage } from "../../domain/Evidence.ts"
import { findUnused, type Unused } from "../../domain/findUnused.ts"
import { during } from "../../domain/TimeWindow.ts"
import { counted } from "../../domain/text.ts"
import { gatherEvidence } from "../history/evidence.ts"
import { answer, resolveScope, type View } from "./answer.ts"
import { described } from "./command.ts"
import { json, project, sinceOr, utc } from "./options.ts"
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

/** One shape for every verdict. Without enough evidence no tool is called unused. */
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

export const unused = Command.make("unused", { since, project, json, utc }, ({ since, project, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const scope = yield* resolveScope(project)
      const { windowStart, evidence, coverage, registry } = yield* gatherEvidence(scope.selection, since)
      // A call that only a transcript shows is a call.
      const missing = new Set(coverage.missing_tools.map(({ tool_name }) => tool_name))
      return { scope, windowStart, evidence, rows: findUnused(registry, scope.selection, windowStart, missing) }
    }),
    toJson: (answer) =>
      answer === undefined
        ? toJson(nothingRecorded, null, [])
        : toJson(answer.evidence, answer.windowStart, answer.rows),
    render: ({ scope, evidence, rows }, view) => {
      const [what, hint] = explainEvidence(evidence, { window: since, scope, time: view.time })
      if (evidence.verdict === "not enough") return renderNone(what, hint, view)
      return rows.length === 0
        ? renderNone(`Every known tool was called ${during(since)} ${scope.where}.`, what, view)
        : [
            paragraph(`Not called ${during(since)} ${scope.whereNone}:`, view),
            "",
            renderUnused(rows, view),
            "",
            paragraph(what, view),
          ].join("\n")
    },
  }),
).pipe(
  described(
    "Known tools that were not called lately. MCP servers come first, because each costs context in every session.",
    "tooltrail unused --since 30d",
  ),
)
