import * as Command from "@effect/cli/Command"
import manifest from "../../../package.json" with { type: "json" }

/** What `--help` says of a command. */
export const described = (summary: string, example: string) => Command.withDescription(`${summary} Example: ${example}`)

export const version: string = manifest.version
