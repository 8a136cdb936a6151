#!/usr/bin/env node
// What `tooltrail-hook` starts. It imports as little as possible.
import { writeSync } from "node:fs"
import { runBundle } from "./runBundle.ts"

/** Of the bundle that this loader was built with. */
declare const BUNDLE_HASH: string

// Whatever happens, a hook must not disturb the agent.
process.on("uncaughtException", (error) => {
  writeSync(2, `tooltrail-hook could not run: ${error.message.split("\n", 1)[0]}\n`)
  process.exit(0)
})

runBundle("hook-bundle", BUNDLE_HASH, true)
