import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { runHook } from "./runHook.ts"

// The exit is forced because an agent may keep standard input open, and is 0 because a hook must never disturb the agent.
NodeRuntime.runMain(runHook, {
  disablePrettyLogger: true,
  disableErrorReporting: true,
  teardown: () => process.exit(0),
})
