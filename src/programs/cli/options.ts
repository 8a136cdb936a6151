import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TimeWindow from "../../domain/TimeWindow.ts"

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

export const readWindow = (text: string) =>
  Effect.mapError(TimeWindow.parse(text), (error) => refuse(`--since: ${error.message}`))

/** A window of time; 7 days unless told. */
export const since = Options.text("since").pipe(
  Options.withDescription("How far back to look: 24h, 7d, 2w, or as SQLite writes it, -7 days. Default: 7d."),
  Options.withDefault("7d"),
  Options.mapEffect(readWindow),
)

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

/** The port to listen on; 0 stands for any that is free. */
export const port = Options.text("port").pipe(
  Options.withDescription("The port to listen on, 0 for any that is free. Default: 4717."),
  Options.withDefault("4717"),
  Options.mapEffect((text) =>
    /^\d{1,5}$/.test(text) && Number(text) <= 65_535
      ? Effect.succeed(Number(text))
      : Effect.fail(refuse(`--port: ${JSON.stringify(text)} is not a whole number from 0 to 65535`)),
  ),
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
const withValue = ["--since", "--limit", "--by", "--project", "--port", "--format"]

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
