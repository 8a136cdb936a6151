import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { described } from "./described.ts"
import { port } from "./options.ts"

export const serve = Command.make("serve", { port }, ({ port }) =>
  // The other commands need no HTTP server and must not wait for its modules.
  Effect.flatMap(
    Effect.promise(() => import("../serve/serve.ts")),
    (module) => module.serve(port),
  ),
).pipe(
  described(
    "Records the calls that agents post to it, for those with HTTP hooks: POST /hook on the loopback address takes the hook's payload.",
    "tooltrail serve --port 4717",
  ),
)
