import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TimeWindow from "./TimeWindow.ts"

/** What a person may set in `config.json`. */
export interface Configuration {
  /** The age from which calls are pruned; none for never. */
  readonly retention: Option.Option<TimeWindow.Age>
}

export class UnusableConfiguration extends Data.TaggedError("UnusableConfiguration")<{
  readonly path: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.path} is not used: ${this.reason}`
  }
}

export const defaultConfiguration: Configuration = { retention: Option.none() }

const ACCEPTED = '{ "retention": "180d" }'

/** Shorter would prune what the queries look at unless told otherwise. */
const LEAST_RETENTION_HOURS = 30 * 24

/** Reads the text of a configuration. Whatever is not known in it is refused, so that a slip does not go unseen. */
export const parseConfiguration = (text: string, path: string): Either.Either<Configuration, UnusableConfiguration> => {
  const refuse = (reason: string) => Either.left(new UnusableConfiguration({ path, reason }))
  const parsed = Either.try(() => JSON.parse(text) as unknown)
  if (Either.isLeft(parsed)) return refuse(`it is not JSON; accepted is ${ACCEPTED}`)
  const { right: value } = parsed
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse(`it is not a JSON object; accepted is ${ACCEPTED}`)
  const unknown = Object.keys(value).find((key) => key !== "retention")
  if (unknown !== undefined) return refuse(`${JSON.stringify(unknown)} is not known; accepted is "retention"`)
  if (!("retention" in value) || value.retention === null) return Either.right(defaultConfiguration)
  if (typeof value.retention !== "string") return refuse('"retention" is not a text such as "180d"')
  return Either.flatMap(
    Either.mapLeft(
      TimeWindow.parseAge(value.retention),
      ({ message }) => new UnusableConfiguration({ path, reason: `"retention": ${message}` }),
    ),
    (age) =>
      TimeWindow.hours(age) < LEAST_RETENTION_HOURS
        ? refuse(`"retention" is ${JSON.stringify(TimeWindow.format(age))}, at least 30d is accepted`)
        : Either.right({ retention: Option.some(age) }),
  )
}
