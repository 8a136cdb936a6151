import { stripVTControlCharacters } from "node:util"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Usage from "@effect/cli/Usage"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { runHook } from "../record/runHook.ts"
import { serve as runServer } from "../serve/serve.ts"
import { backup, restore } from "./backup.ts"
import { described, version } from "./command.ts"
import { coverage } from "./coverage.ts"
import { doctor } from "./doctor.ts"
import { exportCommand } from "./export.ts"
import { importCalls } from "./import.ts"
import { install } from "./install.ts"
import { log } from "./log.ts"
import { port } from "./options.ts"
import { prune } from "./prune.ts"
import { reconcile } from "./reconcile.ts"
import { type OutputStyle, outputStyle } from "./render/terminal.ts"
import { paragraph } from "./render/text.ts"
import { session } from "./session.ts"
import { status } from "./status.ts"
import { tool } from "./tool.ts"
import { tools } from "./tools.ts"
import { top } from "./top.ts"
import { trend } from "./trend.ts"
import { uninstall } from "./uninstall.ts"
import { unused } from "./unused.ts"

export class WrongUsage extends Data.TaggedError("WrongUsage")<{ readonly message: string }> {}

const hook = Command.make("hook", {}, () => runHook).pipe(
  described(
    "The hook itself: reads one payload from standard input and records its call. tooltrail-hook does the same and starts faster.",
    "tooltrail hook < payload.json",
  ),
)

const serve = Command.make("serve", { port }, ({ port }) => runServer(port)).pipe(
  described(
    "Records calls that agents send over HTTP, so that no call starts a process. POST /hook on 127.0.0.1 takes the hook's payload. Register it with `tooltrail install --mode http`.",
    "tooltrail serve --port 4717",
  ),
)

const tooltrail = Command.make("tooltrail").pipe(
  described(
    "Records every tool call of your coding agents, and answers questions about them.",
    "tooltrail top --since 7d",
  ),
  Command.withSubcommands([
    install,
    status,
    uninstall,
    top,
    tool,
    session,
    trend,
    tools,
    unused,
    log,
    importCalls,
    reconcile,
    coverage,
    doctor,
    backup,
    restore,
    exportCommand,
    prune,
    hook,
    serve,
  ]),
)

const run = Command.run(tooltrail, {
  name: "tooltrail",
  version,
  footer: HelpDoc.p("Also: --help after any command, --version, --completions bash|zsh|fish."),
})

/** An error of the parser, on one line. */
const oneLine = (text: string) =>
  stripVTControlCharacters(text)
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^Received unknown/, "unknown")
    .replace(/^Invalid subcommand for tooltrail - /, "unknown command; ")
    .replace(/^Expected one of the following cases:/, "expected one of")

/** Lines that `@effect/cli` writes below every argument and option. */
const commonplaces =
  /^ +(A user-defined piece of text\.|A true or false value\.|This setting is optional\.|One of the following: .*)\n\n/gm

/** A command in the list of all commands: its usage, which can be very long, its summary and its example. */
const commandInList = /^ {2}- (\S+).*? {2,}(\S.*?) Example: .*\n\n/gm

const NAME_WIDTH = 11

/** The help as `@effect/cli` writes it, made shorter, and wrapped on a terminal. It leaves out the program's name in the usage of a command. */
const plainHelp = (text: string, style: OutputStyle): string =>
  stripVTControlCharacters(text)
    .replace(/(USAGE[^$]*\$ )(?!tooltrail)/, "$1tooltrail ")
    .replace(commonplaces, "")
    .replace(commandInList, (_, name: string, summary: string) => {
      const lines = paragraph(summary, { ...style, width: style.width - NAME_WIDTH - 2, isTerminal: true })
      return `  ${name.padEnd(NAME_WIDTH)}${lines.replaceAll("\n", `\n${" ".repeat(NAME_WIDTH + 2)}`)}\n`
    })
    .replace(/^\$ tooltrail$/m, "$& COMMAND")
    .replace(/ Example: /, "\n\nExample: ")
    .replace(/^( *)(.+)$/gm, (_, indent: string, line: string) => {
      const wrapped = paragraph(line, { ...style, width: style.width - indent.length })
      return indent + wrapped.replaceAll("\n", `\n${indent}`)
    })
    .replace(/^Also: /m, "\n$&")
    .replace(/\n{3,}/g, "\n\n")
    .replace(/^tooltrail\n\n/, "")
    .replace(/^[A-Z]+$/gm, style.colors.bold)

/** `@effect/cli` prints help and usage errors itself; here both are ours to write. */
const cliConsole = (asksForHelp: boolean): Effect.Effect<Console.Console> =>
  Effect.gen(function* () {
    const style = yield* outputStyle
    const console = yield* Console.consoleWith(Effect.succeed)
    return {
      ...console,
      log: asksForHelp ? (text: unknown) => console.log(plainHelp(String(text), style)) : console.log,
      error: () => Effect.void,
    }
  })

interface KnownOption {
  readonly name: string
  readonly takesValue: boolean
}

const optionsOf = (usage: Usage.Usage): ReadonlyArray<KnownOption> => {
  switch (usage._tag) {
    case "Named":
      return usage.names
        .filter((name) => name.startsWith("--"))
        .map((name) => ({ name, takesValue: Option.isSome(usage.acceptedValues) }))
    case "Optional":
    case "Repeated":
      return optionsOf(usage.usage)
    case "Alternation":
    case "Concat":
      return [...optionsOf(usage.left), ...optionsOf(usage.right)]
    default:
      return []
  }
}

/** Finds a mistake that the parser would only call an unknown argument. */
const findUsageMistake = (args: ReadonlyArray<string>): string | undefined => {
  const commands = Command.getSubcommands(tooltrail)
  const [first = "", ...rest] = args
  const isOption = [...HashMap.values(commands)]
    .flatMap((command) => optionsOf(CommandDescriptor.getUsage(command)))
    .some(({ name }) => name === first.split("=")[0])
  if (isOption && rest.some((arg) => HashMap.has(commands, arg))) return "options come after the command"
  if (args.includes("")) return "an argument is empty"
  const values = args.includes("--") ? args.slice(0, args.indexOf("--")) : args
  const options = Option.match(HashMap.get(commands, first), {
    onNone: () => [],
    onSome: (command) => optionsOf(CommandDescriptor.getUsage(command)),
  })
  for (const { name, takesValue } of options) {
    const places = values.flatMap((arg, place) => (arg === name || arg.startsWith(`${name}=`) ? [place] : []))
    if (places.length > 1) return `${name} is given ${places.length} times`
    const place = places[0]
    if (!takesValue || place === undefined || values[place] !== name) continue
    const next = values[place + 1]
    if (next === undefined || next.startsWith("--")) return `${name} needs a value`
  }
  return undefined
}

const refuse = (argv: ReadonlyArray<string>, what: string) =>
  new WrongUsage({ message: `${what} (given: ${argv.slice(2).join(" ")})` })

/** Runs one command line, with `node` and the script's name first. Wrong usage fails with one line that says what is wrong. */
export const runCommandLine = (argv: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const mistake = findUsageMistake(argv.slice(2))
    if (mistake !== undefined) return yield* refuse(argv, mistake)
    const args = argv.length > 2 ? argv : [...argv, "--help"]
    const console = yield* cliConsole(args.includes("--help") || args.includes("-h"))
    yield* run(args).pipe(Effect.withConsole(console))
  }).pipe(
    Effect.catchIf(ValidationError.isValidationError, ({ error }) => refuse(argv, oneLine(HelpDoc.toAnsiText(error)))),
    Effect.provide(CliConfig.layer({ showBuiltIns: false, showTypes: false })),
  )
