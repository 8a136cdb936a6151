import * as Command from "@effect/cli/Command"
import { serve as runServer } from "../serve/serve.ts"
import { described } from "./command.ts"
import { port } from "./options.ts"

export const serve = Command.make("serve", { port }, ({ port }) => runServer(port)).pipe(
  described(
    "Records the calls that agents post to it, for those with HTTP hooks: POST /hook on the loopback address takes the hook's payload.",
    "tooltrail serve --port 4717",
  ),
)
