import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HookEventName } from "../domain/HookRegistration.ts"
import { AgentSettingsFiles } from "../layers/AgentSettingsFiles.ts"
import { environmentVariable } from "../layers/environment.ts"
import { AgentSettings, type SettingsFile } from "../services/AgentSettings.ts"
import type { Home } from "../services/Home.ts"

/** Whether the agent starts tooltrail for this event because a settings file says so. One that cannot be read says nothing. */
const registers = (file: SettingsFile, event: HookEventName) =>
  AgentSettings.pipe(
    Effect.flatMap(({ read }) => read(file)),
    Effect.map(
      Option.exists(({ registered, missingFiles }) =>
        Option.exists(
          registered,
          ({ mode, events }) => events.includes(event) && (mode === "http" || missingFiles.length === 0),
        ),
      ),
    ),
    Effect.tapError((error) => Effect.logDebug(error.message)),
    Effect.orElseSucceed(() => false),
  )

/** Whether the settings of the session that this hook is part of register tooltrail for an event. */
export const hasSettingsEntry = (event: HookEventName): Effect.Effect<boolean, never, Home> =>
  Effect.gen(function* () {
    const settings = yield* AgentSettings
    const start = (yield* environmentVariable("CLAUDE_PROJECT_DIR")) ?? process.cwd()
    const files = yield* settings.ofSession(start)
    return yield* Effect.exists(files, (file) => registers(file, event))
  }).pipe(
    Effect.catchTag("PersistenceError", (error) =>
      Effect.as(Effect.logWarning(`a call without an id may count twice: ${error.message}`), false),
    ),
    Effect.provide(AgentSettingsFiles),
  )
