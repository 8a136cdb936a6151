import { join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { environmentVariable } from "./environment.ts"
import { userHome } from "./userHome.ts"

/** Where Claude Code keeps its settings and transcripts: `CLAUDE_CONFIG_DIR`, else `~/.claude`. */
export const claudeConfigFolder: Effect.Effect<string, PersistenceError> = Effect.gen(function* () {
  const chosen = yield* environmentVariable("CLAUDE_CONFIG_DIR")
  return chosen === undefined ? join(yield* userHome, ".claude") : resolve(chosen)
})
