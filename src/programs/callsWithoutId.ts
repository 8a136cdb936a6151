import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HookEventName } from "../domain/HookRegistration.ts"
import { AgentSettingsFiles } from "../layers/AgentSettingsFiles.ts"
import { transcriptFolder } from "../layers/claudeConfigFolder.ts"
import { environmentVariable } from "../layers/environment.ts"
import { isTranscriptIn } from "../layers/findTranscripts.ts"
import { AgentSettings } from "../services/AgentSettings.ts"
import type { Home } from "../services/Home.ts"
import type { ToolUsed } from "./receiveHookEvent.ts"

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
 * folder of. An entry with a condition counts as none: it may hold for few calls, and the others would be lost.
 */
const hasSettingsEntry = (event: HookEventName, toolName: string) =>
  Effect.gen(function* () {
    const folder = yield* environmentVariable("CLAUDE_PROJECT_DIR")
    if (folder === undefined) return false
    const { ofSession } = yield* AgentSettings
    return yield* Effect.exists(yield* ofSession(folder), (path) => isIn(path, event, toolName))
  }).pipe(Effect.provide(AgentSettingsFiles))

/** Whether reconciling reads the transcript, which tells of the call by its id. */
const hasTranscript = (path: string | null) =>
  path === null ? Effect.succeed(false) : Effect.map(transcriptFolder, (folder) => isTranscriptIn(folder, path))

/**
 * Whether a call that the agent gives the plugin without an id comes to be recorded in another way: by the session's transcript,
 * or by an entry in the settings. Recorded by the plugin as well, it could count twice.
 */
export const isToldElsewhere = ({ use, transcriptPath }: ToolUsed): Effect.Effect<boolean, never, Home> =>
  hasTranscript(transcriptPath).pipe(
    Effect.flatMap((hasOne) =>
      hasOne
        ? Effect.succeed(true)
        : hasSettingsEntry(use.success ? "PostToolUse" : "PostToolUseFailure", use.toolName),
    ),
    Effect.catchAllCause((cause) =>
      Effect.as(Effect.logWarning("could not look for what else tells of a call; it may count twice", cause), false),
    ),
  )
