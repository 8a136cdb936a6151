import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TimeWindow from "./TimeWindow.ts"

/** What a person may set in `config.json`. */
export interface Configuration {
  /** Calls older than this are pruned; none for never. */
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

/** Less would prune calls that the queries look at by default. */
const LEAST_RETENTION_HOURS = 30 * 24

const KEYS = ["retention"]

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether a `config.json` is tooltrail's and not another program's: an object with no other keys than the known ones. */
export const isOwnConfiguration = (text: string): boolean =>
  Either.match(
    Either.try(() => JSON.parse(text) as unknown),
    {
      onLeft: () => false,
      onRight: (value) => isObject(value) && Object.keys(value).every((key) => KEYS.includes(key)),
    },
  )

/** Reads the text of a configuration. An unknown key is refused, so that a typing error is noticed. */
export const parseConfiguration = (text: string, path: string): Either.Either<Configuration, UnusableConfiguration> => {
  const refuse = (reason: string) => Either.left(new UnusableConfiguration({ path, reason }))
  const parsed = Either.try(() => JSON.parse(text) as unknown)
  if (Either.isLeft(parsed)) return refuse(`it is not JSON; accepted is ${ACCEPTED}`)
  const { right: value } = parsed
  if (!isObject(value)) return refuse(`it is not a JSON object; accepted is ${ACCEPTED}`)
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key))
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
