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

/** An argument by position. Otherwise a misspelt option would be taken for one. */
export const argument = (name: string, description: string): Args.Args<string> =>
  Args.text({ name }).pipe(
    Args.withDescription(description),
    Args.mapEffect((text) =>
      text.startsWith("-") ? Effect.fail(HelpDoc.p(`unknown option '${text}'`)) : Effect.succeed(text),
    ),
  )

export const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON value, for programs."))

export const utc = Options.boolean("utc").pipe(Options.withDescription("Show absolute times in UTC."))

/** An option that takes a time window. */
export const window = (name: string, description: string): Options.Options<TimeWindow.TimeWindow> =>
  Options.text(name).pipe(
    Options.withDescription(description),
    Options.mapEffect((text) =>
      Effect.mapError(TimeWindow.parse(text), (error) => refuse(`--${name}: ${error.message}`)),
    ),
  )

/** An option that takes an age of at least so much. */
export const ageAtLeast = (name: string, least: TimeWindow.Age, description: string): Options.Options<TimeWindow.Age> =>
  Options.text(name).pipe(
    Options.withDescription(description),
    Options.mapEffect((text) =>
      Effect.mapError(TimeWindow.parseAge(text), (error) => refuse(`--${name}: ${error.message}`)),
    ),
    Options.filterMap(
      (given) => (TimeWindow.hours(given) < TimeWindow.hours(least) ? Option.none() : Option.some(given)),
      `--${name} must be at least ${TimeWindow.format(least)}`,
    ),
  )

/** A window of time, with a default. */
export const sinceOr = (usual: string): Options.Options<TimeWindow.TimeWindow> =>
  window("since", `How far back to look: 24h, 7d, 2w, 1y, today, or a date (UTC). Default: ${usual}.`).pipe(
    Options.withDefault(TimeWindow.parse(usual).pipe(Either.getOrThrow)),
  )

export const since = sinceOr("7d")

export const limit = Options.text("limit").pipe(
  Options.withDescription("Show at most this many rows. Default: 20."),
  Options.withDefault("20"),
  Options.mapEffect((text) => {
    const rows = Number(text)
    return /^\d+$/.test(text) && rows >= 1 && Number.isSafeInteger(rows)
      ? Effect.succeed(rows)
      : Effect.fail(refuse(`--limit must be a positive whole number, not ${JSON.stringify(text)}`))
  }),
)

const parsePort = (lowest: number) => (text: string) =>
  /^\d{1,5}$/.test(text) && Number(text) >= lowest && Number(text) <= 65_535
    ? Effect.succeed(Number(text))
    : Effect.fail(refuse(`--port must be a whole number from ${lowest} to 65535, not ${JSON.stringify(text)}`))

/** The port to listen on; 0 means any free one. */
export const port = Options.text("port").pipe(
  Options.withDescription(`The port to listen on; 0 means any free one. Default: ${DEFAULT_PORT}.`),
  Options.withDefault(String(DEFAULT_PORT)),
  Options.mapEffect(parsePort(0)),
)

const httpPort = Options.text("port").pipe(
  Options.withDescription(`With --mode http: the port that \`tooltrail serve\` listens on. Default: ${DEFAULT_PORT}.`),
  Options.mapEffect(parsePort(1)),
  Options.optional,
)

const mode = Options.choice("mode", ["hook", "http"]).pipe(
  Options.withDescription(
    "Have the agent start the hook after each call, or post each call to `tooltrail serve`. Default: hook.",
  ),
  Options.withDefault("hook" as const),
)

const isAsync = Options.boolean("async").pipe(
  Options.withDescription("Do not make the agent wait for the hook. Headless runs kill such hooks when they end."),
)

/** How to register the hook: with the port of the server that takes the calls, or, without a port, as a command. */
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

export const agent = Options.choice("agent", ["claude-code"]).pipe(
  Options.withDescription("The agent whose settings to edit. Default: claude-code."),
  Options.withDefault("claude-code" as const),
)

export const scope = Options.choice("scope", settingsScopes)

export const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription("Show what would change in the settings, and change nothing."),
)

/** A project, by its folder or its name. */
export const projectOption = (description: string): Options.Options<Option.Option<string>> =>
  Options.text("project").pipe(
    Options.withPseudoName("folder-or-name"),
    Options.withDescription(description),
    Options.optional,
  )

const chosenProject = projectOption(
  "The project to look at, by its folder or its name. Default: the project of the current folder.",
)

const allProjects = Options.boolean("all-projects").pipe(Options.withDescription("Look at all projects together."))

/** The folder or the name of the project that a question is about; none for all projects. */
export const project = Options.all({ chosenProject, allProjects }).pipe(
  Options.mapEffect(({ allProjects, chosenProject }) => {
    if (!allProjects) return Effect.succeed(Option.some(Option.getOrElse(chosenProject, () => ".")))
    if (Option.isNone(chosenProject)) return Effect.succeed(Option.none<string>())
    return Effect.fail(refuse("use either --project or --all-projects, not both"))
  }),
)
