import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { recordedShare, type ToolCount } from "../../domain/Evidence.ts"
import { cutoff, during } from "../../domain/TimeWindow.ts"
import { counted } from "../../domain/text.ts"
import { type MeasuredCoverage, measureCoverage } from "../history/coverage.ts"
import { answer, type View } from "./answer.ts"
import { described } from "./command.ts"
import { json, since, utc } from "./options.ts"
import { sentence } from "./render/text.ts"
import { renderNone } from "./render/usage.ts"

/** `9 by reconciling: 8 Agent`, `1 Task`: the parts of a sentence; none if there are no calls. */
const ofTools = (calls: number, how: string, tools: ReadonlyArray<ToolCount>): ReadonlyArray<string> => {
  if (calls === 0) return []
  const named = tools.slice(0, 5).map(({ tool_name, calls }) => `${calls} ${tool_name}`)
  const more = tools.length > named.length ? [`${counted(tools.length - named.length, "more tool")}`] : []
  const [first, ...others] = [...named, ...more]
  return [`${calls} ${how}: ${first}`, ...others]
}

const render = (coverage: MeasuredCoverage, period: string, view: View): string => {
  const pruned = Option.map(coverage.prunedBefore, (day) => `Calls from before ${day} are pruned, and so left out.`)
  if (Option.isNone(coverage.span)) {
    const hint = Option.getOrElse(pruned, () => "Look further back with --since.")
    return renderNone(`No transcript shows a call ${period}.`, hint, view)
  }
  const { from, until } = coverage.span.value
  const recorded = coverage.calls - coverage.missing
  const lines = [
    [`${recorded} of ${counted(coverage.calls, "call")} recorded ${period}`],
    [`${coverage.as_they_happened} as they happened`],
    ofTools(coverage.reconciled, "by reconciling", coverage.reconciled_tools),
    ofTools(coverage.missing, "missing", coverage.missing_tools),
    [`Seen in ${counted(coverage.transcripts, "transcript")}`, `from ${view.time(from)} to ${view.time(until)}`],
  ]
  return [
    ...lines.filter((parts) => parts.length > 0).map((parts) => sentence(parts, view)),
    ...Option.toArray(pruned),
    ...(coverage.missing > 0 ? ["`tooltrail import` records what is missing."] : []),
  ].join("\n")
}

export const coverage = Command.make("coverage", { since, json, utc }, ({ since, ...output }) =>
  answer(output, {
    ask: Effect.gen(function* () {
      const measured = yield* measureCoverage(yield* cutoff(since))
      yield* Effect.forEach(measured.unreadable, (error) => Effect.logWarning(error.message), { discard: true })
      return measured
    }),
    toJson: (answer) =>
      answer === undefined
        ? null
        : {
            calls: answer.calls,
            as_they_happened: answer.as_they_happened,
            reconciled: answer.reconciled,
            missing: answer.missing,
            recorded_share: recordedShare(answer),
            reconciled_tools: answer.reconciled_tools,
            missing_tools: answer.missing_tools,
            transcripts: answer.transcripts,
            first_call: Option.getOrNull(Option.map(answer.span, ({ from }) => from)),
            last_call: Option.getOrNull(Option.map(answer.span, ({ until }) => until)),
            pruned_before: Option.getOrNull(answer.prunedBefore),
            unreadable: answer.unreadable.map(({ path, reason }) => ({ path, reason })),
          },
    render: (answer, view) => render(answer, during(since), view),
  }),
).pipe(
  described(
    "How many of the calls in transcripts were recorded as they happened, how many later, and how many are missing.",
    "tooltrail coverage --since 30d",
  ),
)
