import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { HookCommand } from "../domain/agents/claudeCodeSettings.ts"
import type { HookNotRunnable } from "../domain/agents/HookNotRunnable.ts"

/** What one start of the hook takes here, beside one of Node alone; medians, in milliseconds. */
export interface MeasuredCost {
  readonly hookMillis: number
  readonly nodeMillis: number
  /** What can be seen to make it slow, in words. */
  readonly causes: ReadonlyArray<string>
}

/** Runs the hook on a payload that it ignores. */
export class HookCost extends Context.Tag("tooltrail/services/HookCost")<
  HookCost,
  { readonly measure: (hook: HookCommand) => Effect.Effect<MeasuredCost, HookNotRunnable> }
>() {}
