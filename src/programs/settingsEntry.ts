import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HookEventName } from "../domain/HookRegistration.ts"
import { AgentSettingsFiles } from "../layers/AgentSettingsFiles.ts"
import { environmentVariable } from "../layers/environment.ts"
import { AgentSettings } from "../services/AgentSettings.ts"
import type { Home } from "../services/Home.ts"

/** A file that cannot be read says nothing, to Claude Code as well. */
const isIn = (path: string, event: HookEventName, toolName: string) =>
  AgentSettings.pipe(
    Effect.flatMap(({ read }) => read(path)),
    Effect.map(Option.exists(({ isStartedFor }) => isStartedFor(event, toolName))),
    Effect.tapError((error) => Effect.logDebug(error.message)),
    Effect.orElseSucceed(() => false),
  )

/**
 * Whether Claude Code starts tooltrail for this event of a tool because the settings of the session say so, which it says the
 * folder of. What it does not run after all, since it was told to pass over some settings, reconciling finds in the
 * transcript; a call that is counted twice nothing finds. An entry with a condition counts as none all the same: it may hold
 * for few calls, and where there is no transcript, the others would be lost.
 */
export const hasSettingsEntry = (event: HookEventName, toolName: string): Effect.Effect<boolean, never, Home> =>
  Effect.gen(function* () {
    const folder = yield* environmentVariable("CLAUDE_PROJECT_DIR")
    if (folder === undefined) return false
    const { ofSession } = yield* AgentSettings
    return yield* Effect.exists(yield* ofSession(folder), (path) => isIn(path, event, toolName))
  }).pipe(
    Effect.provide(AgentSettingsFiles),
    Effect.catchAllCause((cause) =>
      Effect.as(Effect.logWarning("could not look for an entry in the settings; a call may count twice", cause), false),
    ),
  )
