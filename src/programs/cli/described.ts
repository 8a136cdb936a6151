import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"

/** What `--help` says of a command. */
export const described = (summary: string, example: string) =>
  Command.withDescription(HelpDoc.blocks([HelpDoc.p(summary), HelpDoc.p(`Example: ${example}`)]))
