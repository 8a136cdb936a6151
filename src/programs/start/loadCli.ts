#!/usr/bin/env node
// What `tooltrail` starts.
import { runBundle } from "./runBundle.ts"

/** Of the bundle that this loader was built with. */
declare const BUNDLE_HASH: string

// To ask for the version makes no folder, and to purge leaves none.
runBundle("cli-bundle", BUNDLE_HASH, false)
