import { stripVTControlCharacters } from "node:util"
import type * as CliApp from "@effect/cli/CliApp"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { PersistenceError } from "../../domain/PersistenceError.ts"
import { hook } from "./hook.ts"
import { log } from "./log.ts"
import { session } from "./session.ts"
import { outputStyle } from "./terminal.ts"
import { tool } from "./tool.ts"
import { tools } from "./tools.ts"
import { top } from "./top.ts"
import { version } from "./version.ts"

export class WrongUsage extends Data.TaggedError("WrongUsage")<{ readonly message: string }> {}

const tooltrail = Command.make("tooltrail").pipe(
  Command.withDescription(
    HelpDoc.blocks([
      HelpDoc.p("Knows what your coding agents call: which tools, when, in which session and project, and which fail."),
      HelpDoc.p("Example: tooltrail top --since 7d"),
    ]),
  ),
  Command.withSubcommands([top, tool, session, tools, log, hook]),
)

const run = Command.run(tooltrail, { name: "tooltrail", version })

const oneLine = (text: string) => stripVTControlCharacters(text).replace(/\s+/g, " ").trim()

/** `@effect/cli` colours its help always, and prints usage errors itself; here both are ours to decide. */
const cliConsole: Effect.Effect<Console.Console> = Effect.gen(function* () {
  const { colors } = yield* outputStyle
  const console = yield* Console.consoleWith(Effect.succeed)
  return {
    ...console,
    log: (text: unknown) => console.log(colors.isColorSupported ? text : stripVTControlCharacters(String(text))),
    error: () => Effect.void,
  }
})

/** Runs one command line, `node` and the script's name first. Wrong usage fails with what was wrong, on one line. */
export const runCommandLine = (
  argv: ReadonlyArray<string>,
): Effect.Effect<void, WrongUsage | PersistenceError, CliApp.CliApp.Environment> =>
  Effect.gen(function* () {
    const console = yield* cliConsole
    yield* run(argv.length > 2 ? argv : [...argv, "--help"]).pipe(Effect.withConsole(console))
  }).pipe(
    Effect.catchIf(ValidationError.isValidationError, ({ error }) =>
      Effect.fail(
        new WrongUsage({ message: `${oneLine(HelpDoc.toAnsiText(error))} (given: ${argv.slice(2).join(" ")})` }),
      ),
    ),
  )
