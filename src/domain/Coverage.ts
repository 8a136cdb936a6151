import type { ToolUseSource } from "./ToolUse.ts"

/** So many calls of one tool. */
export interface ToolCount {
  readonly tool_name: string
  readonly calls: number
}

/** Which of the calls that transcripts show are recorded, and how that came about. */
export interface Coverage {
  /** All of them; those without a result are none. */
  readonly calls: number
  /** Recorded by the hook when they happened. */
  readonly as_they_happened: number
  /** Recorded from a transcript, by an import or a reconciliation. */
  readonly reconciled: number
  /** Recorded, and pruned since. */
  readonly pruned: number
  readonly missing: number
  /** The tools of the two kinds of calls that the hook did not record, most first. */
  readonly reconciled_tools: ReadonlyArray<ToolCount>
  readonly missing_tools: ReadonlyArray<ToolCount>
}

const byTool = (toolNames: ReadonlyArray<string>): ReadonlyArray<ToolCount> => {
  const counts = new Map<string, number>()
  for (const name of toolNames) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts]
    .map(([tool_name, calls]) => ({ tool_name, calls }))
    .sort((a, b) => b.calls - a.calls || (a.tool_name < b.tool_name ? -1 : 1))
}

/** Where a recorded call came from, which nobody knows any more of one that is pruned. */
export type RecordedFrom = ToolUseSource | "pruned"

/** A call that a transcript shows, and where it was recorded from; null where it was not. */
export interface ShownCall {
  readonly toolName: string
  readonly source: RecordedFrom | null
}

/** Tells the coverage of calls, each given once. Whatever is not from a transcript was recorded as it happened. */
export const coverageOf = (calls: ReadonlyArray<ShownCall>): Coverage => {
  const reconciled = calls.filter(({ source }) => source === "transcript").map(({ toolName }) => toolName)
  const pruned = calls.filter(({ source }) => source === "pruned").length
  const missing = calls.filter(({ source }) => source === null).map(({ toolName }) => toolName)
  return {
    calls: calls.length,
    as_they_happened: calls.length - reconciled.length - pruned - missing.length,
    reconciled: reconciled.length,
    pruned,
    missing: missing.length,
    reconciled_tools: byTool(reconciled),
    missing_tools: byTool(missing),
  }
}

/** The share of the calls that is recorded, from 0 to 1; none where no transcript shows any. */
export const recordedShare = ({ calls, missing }: Coverage): number | null =>
  calls === 0 ? null : (calls - missing) / calls
