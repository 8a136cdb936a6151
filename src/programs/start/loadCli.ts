#!/usr/bin/env node
// What `tooltrail` starts.
import { runBundle } from "./runBundle.ts"

/** Of the bundle that this loader was built with. */
declare const BUNDLE_HASH: string

// `tooltrail --version` makes no folder, and `uninstall --purge` leaves none.
runBundle("cli-bundle", BUNDLE_HASH, false)
