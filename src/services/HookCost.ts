import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { HookCommand, HookNotRunnable } from "../domain/agents/claudeCodeSettings.ts"

/** How long the hook runs here, compared with Node alone; medians in milliseconds. */
export interface MeasuredCost {
  readonly hookMillis: number
  readonly nodeMillis: number
  /** Visible reasons why it is slow, in words. */
  readonly causes: ReadonlyArray<string>
}

/** Times the hook on a payload that it ignores. */
export class HookCost extends Context.Tag("tooltrail/services/HookCost")<
  HookCost,
  { readonly measure: (hook: HookCommand) => Effect.Effect<MeasuredCost, HookNotRunnable> }
>() {}
