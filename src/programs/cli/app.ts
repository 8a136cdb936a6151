import { stripVTControlCharacters } from "node:util"
import type * as CliApp from "@effect/cli/CliApp"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { AgentTooOld, UnusableSettings } from "../../domain/agents/claudeCodeSettings.ts"
import type { NoSuchPath, NoTranscript } from "../../domain/agents/TranscriptFile.ts"
import type { DetailPruned } from "../../domain/DetailPruned.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { AlreadyReconciling } from "../history/reconcile.ts"
import { runHook } from "../record/runHook.ts"
import type { CannotServe } from "../serve/listen.ts"
import { serve as runServer } from "../serve/serve.ts"
import { backup } from "./backup.ts"
import { described, version } from "./command.ts"
import { coverage } from "./coverage.ts"
import { doctor, type NeedsAttention } from "./doctor.ts"
import { exportCommand } from "./export.ts"
import { importCalls } from "./import.ts"
import { install } from "./install.ts"
import { log } from "./log.ts"
import { findSlip, port } from "./options.ts"
import { prune } from "./prune.ts"
import { reconcile } from "./reconcile.ts"
import { outputStyle } from "./render/terminal.ts"
import { restore } from "./restore.ts"
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
    "The hook itself: reads one payload from standard input and records it. tooltrail-hook does the same and starts faster.",
    "tooltrail hook < payload.json",
  ),
)

const serve = Command.make("serve", { port }, ({ port }) => runServer(port)).pipe(
  described(
    "Records the calls that agents post to it, for those with HTTP hooks: POST /hook on the loopback address takes the hook's payload.",
    "tooltrail serve --port 4717",
  ),
)

const tooltrail = Command.make("tooltrail").pipe(
  described(
    "Knows what your coding agents call: which tools, when, in which session and project, and which fail.",
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
  footer: HelpDoc.p("Also: --help on any command, --version, --completions bash|zsh|fish."),
})

const oneLine = (text: string) => stripVTControlCharacters(text).replace(/\s+/g, " ").trim()

/** `@effect/cli` leaves out the program's name in the usage of a command. */
const withProgramName = (help: string) => help.replace(/(USAGE[^$]*\$ )(?!tooltrail)/, "$1tooltrail ")

/** `@effect/cli` colours its help always, and prints usage errors itself; here both are ours to decide. */
const cliConsole = (asksForHelp: boolean): Effect.Effect<Console.Console> =>
  Effect.gen(function* () {
    const { colors } = yield* outputStyle
    const console = yield* Console.consoleWith(Effect.succeed)
    const showHelp = (text: string) =>
      console.log(colors.isColorSupported ? withProgramName(text) : stripVTControlCharacters(withProgramName(text)))
    return {
      ...console,
      log: asksForHelp ? (text: unknown) => showHelp(String(text)) : console.log,
      error: () => Effect.void,
    }
  })

const refuse = (argv: ReadonlyArray<string>, what: string) =>
  new WrongUsage({ message: `${what} (given: ${argv.slice(2).join(" ")})` })

/** Runs one command line, `node` and the script's name first. Wrong usage fails with what was wrong, on one line. */
export const runCommandLine = (
  argv: ReadonlyArray<string>,
): Effect.Effect<
  void,
  | WrongUsage
  | PersistenceError
  | DetailPruned
  | NoSuchPath
  | NoTranscript
  | AlreadyReconciling
  | CannotServe
  | NeedsAttention
  | UnusableSettings
  | AgentTooOld,
  CliApp.CliApp.Environment
> =>
  Effect.gen(function* () {
    const slip = findSlip(argv.slice(2))
    if (slip !== undefined) return yield* refuse(argv, slip)
    const args = argv.length > 2 ? argv : [...argv, "--help"]
    const console = yield* cliConsole(args.includes("--help") || args.includes("-h"))
    yield* run(args).pipe(Effect.withConsole(console))
  }).pipe(
    Effect.catchIf(ValidationError.isValidationError, ({ error }) => refuse(argv, oneLine(HelpDoc.toAnsiText(error)))),
    Effect.provide(CliConfig.layer({ showBuiltIns: false, showTypes: false })),
  )
