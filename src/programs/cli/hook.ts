import * as Command from "@effect/cli/Command"
import { runHook } from "../record/runHook.ts"
import { described } from "./command.ts"

export const hook = Command.make("hook", {}, () => runHook).pipe(
  described(
    "The hook itself: reads one payload from standard input and records it. tooltrail-hook does the same and starts faster.",
    "tooltrail hook < payload.json",
  ),
)
