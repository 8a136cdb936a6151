import * as Command from "@effect/cli/Command"

/** What `--help` says of a command. */
export const described = (summary: string, example: string) => Command.withDescription(`${summary} Example: ${example}`)
