import { join } from "node:path"
import * as Layer from "effect/Layer"
import { Home } from "../../src/services/Home.ts"

/** A home in this folder. */
export const homeAt = (directory: string): Layer.Layer<Home> =>
  Layer.succeed(Home, {
    directory,
    database: join(directory, "tooltrail.db"),
    log: join(directory, "tooltrail.log"),
    spool: join(directory, "spool"),
  })
