import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { DEFAULT_PORT } from "../../domain/agents/claudeCodeSettings.ts"
import * as TimeWindow from "../../domain/TimeWindow.ts"
import { settingsScopes } from "../../services/AgentSettings.ts"

const refuse = (message: string) => ValidationError.invalidValue(HelpDoc.p(message))

/** An argument by position. An option that is misspelt would else be taken for one. */
export const argument = (name: string, description: string): Args.Args<string> =>
  Args.text({ name }).pipe(
    Args.withDescription(description),
    Args.mapEffect((text) =>
      text.startsWith("-") ? Effect.fail(HelpDoc.p(`Received unknown option: '${text}'`)) : Effect.succeed(text),
    ),
  )

export const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON value, for programs."))

export const utc = Options.boolean("utc").pipe(Options.withDescription("Show absolute times, in UTC."))

/** An option that takes a stretch of time. */
export const window = (name: string, description: string): Options.Options<TimeWindow.TimeWindow> =>
  Options.text(name).pipe(
    Options.withDescription(description),
    Options.mapEffect((text) =>
      Effect.mapError(TimeWindow.parse(text), (error) => refuse(`--${name}: ${error.message}`)),
    ),
  )

/** The same, no shorter than `least`. */
export const windowFrom = (
  name: string,
  least: TimeWindow.TimeWindow,
  description: string,
): Options.Options<TimeWindow.TimeWindow> =>
  window(name, description).pipe(
    Options.mapEffect((given) =>
      TimeWindow.hours(given) < TimeWindow.hours(least)
        ? Effect.fail(
            refuse(
              `--${name}: ${TimeWindow.format(given)} is too short, at least ${TimeWindow.format(least)} is accepted`,
            ),
          )
        : Effect.succeed(given),
    ),
  )

/** A window of time, this one unless told. */
export const sinceOr = (usual: string): Options.Options<TimeWindow.TimeWindow> =>
  window("since", `How far back to look: 24h, 7d, 2w, 1y, or as SQLite writes it, -7 days. Default: ${usual}.`).pipe(
    Options.withDefault(TimeWindow.parse(usual).pipe(Either.getOrThrow)),
  )

export const since = sinceOr("7d")

/** The most rows to show; 20 unless told. */
export const limit = Options.text("limit").pipe(
  Options.withDescription("The most rows to show. Default: 20."),
  Options.withDefault("20"),
  Options.mapEffect((text) => {
    const rows = Number(text)
    return /^\d+$/.test(text) && rows >= 1 && Number.isSafeInteger(rows)
      ? Effect.succeed(rows)
      : Effect.fail(refuse(`--limit: ${JSON.stringify(text)} is not a whole number from 1`))
  }),
)

const parsePort = (lowest: number) => (text: string) =>
  /^\d{1,5}$/.test(text) && Number(text) >= lowest && Number(text) <= 65_535
    ? Effect.succeed(Number(text))
    : Effect.fail(refuse(`--port: ${JSON.stringify(text)} is not a whole number from ${lowest} to 65535`))

/** The port to listen on; 0 stands for any that is free. */
export const port = Options.text("port").pipe(
  Options.withDescription(`The port to listen on, 0 for any that is free. Default: ${DEFAULT_PORT}.`),
  Options.withDefault(String(DEFAULT_PORT)),
  Options.mapEffect(parsePort(0)),
)

const httpPort = Options.text("port").pipe(
  Options.withDescription(`With --mode http: the port that \`tooltrail serve\` listens on. Default: ${DEFAULT_PORT}.`),
  Options.mapEffect(parsePort(1)),
  Options.optional,
)

const mode = Options.choice("mode", ["hook", "http"]).pipe(
  Options.withDescription("Start the hook after each call, or have calls posted to `tooltrail serve`. Default: hook."),
  Options.withDefault("hook" as const),
)

const isAsync = Options.boolean("async").pipe(
  Options.withDescription("Do not have the agent wait for the hook. Headless runs kill such hooks at their end."),
)

/** How the hook is to be registered: the port of the server that takes the calls, none for the command. */
export const registration = Options.all({ mode, isAsync, httpPort }).pipe(
  Options.mapEffect(({ mode, isAsync, httpPort }) => {
    if (mode === "http" && isAsync) return Effect.fail(refuse("--async goes with --mode hook only"))
    if (mode === "hook" && Option.isSome(httpPort)) return Effect.fail(refuse("--port goes with --mode http only"))
    return Effect.succeed({
      isAsync,
      port: mode === "http" ? Option.some(Option.getOrElse(httpPort, () => DEFAULT_PORT)) : Option.none<number>(),
    })
  }),
)

/** The one agent whose settings are known so far. */
export const agent = Options.choice("agent", ["claude-code"]).pipe(
  Options.withDescription("The agent whose settings to edit. Default: claude-code."),
  Options.withDefault("claude-code" as const),
)

export const scope = Options.choice("scope", settingsScopes)

export const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription("Print what would change in the settings, and change nothing."),
)

export const chosenProject = Options.text("project").pipe(
  Options.withPseudoName("path"),
  Options.withDescription("Look at the project of this folder (default: of the current one)."),
  Options.optional,
)

const allProjects = Options.boolean("all-projects").pipe(Options.withDescription("Look at all projects together."))

/** The folder whose project a question is about; none for all projects. */
export const folder = Options.all({ chosenProject, allProjects }).pipe(
  Options.mapEffect(({ allProjects, chosenProject }) => {
    if (!allProjects) return Effect.succeed(Option.some(Option.getOrElse(chosenProject, () => ".")))
    if (Option.isNone(chosenProject)) return Effect.succeed(Option.none<string>())
    return Effect.fail(refuse("--project and --all-projects exclude each other"))
  }),
)

/** Options that stand before a value. */
const withValue = [
  "--since",
  "--older-than",
  "--limit",
  "--by",
  "--project",
  "--port",
  "--agent",
  "--scope",
  "--mode",
  "--format",
]

/** Slips that the parser would only call an unknown argument: what is wrong, or nothing. */
export const findSlip = (args: ReadonlyArray<string>): string | undefined => {
  if (args[0]?.startsWith("--") && args.length > 1 && args.some((arg) => !arg.startsWith("-"))) {
    const known = [...withValue, "--json", "--utc", "--all-projects"]
    if (known.includes(args[0].split("=")[0] ?? "")) return "options come after the command"
  }
  if (args.includes("")) return "an argument is empty"
  const values = args.slice(0, args.includes("--") ? args.indexOf("--") : args.length)
  for (const option of withValue) {
    const places = values.flatMap((arg, place) => (arg === option || arg.startsWith(`${option}=`) ? [place] : []))
    if (places.length > 1) return `${option} is given ${places.length} times`
    const next = places[0] === undefined || values[places[0]] !== option ? "" : values[places[0] + 1]
    if (next === undefined || next.startsWith("--")) return `${option} needs a value`
  }
  return undefined
}
