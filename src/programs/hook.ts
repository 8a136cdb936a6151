import * as Effect from "effect/Effect"
import { runHook } from "./record/runHook.ts"

// Not `runMain`: a hook that is told to stop may stop at once, for what it leaves is whole at any moment. The exit is forced
// because an agent may keep standard input open, and is 0 because a hook must never disturb the agent.
Effect.runCallback(runHook, { onExit: () => process.exit(0) })
