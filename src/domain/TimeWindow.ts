import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Timestamp from "./Timestamp.ts"

/** A length of time before now. */
export interface Age {
  readonly amount: number
  readonly unit: "hours" | "days" | "weeks" | "years"
}

/** A stretch of time that ends now: the last 7 days, or since midnight (UTC) of `today` or of a day, `YYYY-MM-DD`. */
export type TimeWindow = Age | { readonly since: string }

const ages = `24h, 7d, 2w, 1y or "-7 days"`

/** The text cannot be read. The message says what is accepted. */
export class InvalidTimeWindow extends Data.TaggedError("InvalidTimeWindow")<{
  readonly text: string
  readonly wanted: "an age" | "a time window"
}> {
  override get message(): string {
    const accepted = this.wanted === "an age" ? ages : `${ages}, today, or a date such as 2026-11-01`
    return `${JSON.stringify(this.text)} is not ${this.wanted}; use ${accepted}`
  }
}

export const lastSevenDays: Age = { amount: 7, unit: "days" }

const unitBySuffix = { h: "hours", d: "days", w: "weeks", y: "years" } as const
const hoursIn = { hours: 1, days: 24, weeks: 24 * 7, years: 24 * 365 } as const
const MILLIS_PER_HOUR = 3_600_000
const LONGEST_HOURS = 24 * 366 * 100

export const hours = ({ amount, unit }: Age): number => amount * hoursIn[unit]

/**
 * Reads the short form (`24h`, `7d`, `2w`, `1y`) or a SQLite date modifier (`-24 hours`, `-7 days`; also `weeks`, which
 * SQLite lacks). A year has 365 days. The amount is a positive whole number, the age at most a hundred years.
 */
export const parseAge = (text: string): Either.Either<Age, InvalidTimeWindow> => {
  const match = /^(?:(\d{1,7})([hdwy])|-(\d{1,7}) (hour|day|week|year)s?)$/.exec(text.trim())
  if (match === null) return Either.left(new InvalidTimeWindow({ text, wanted: "an age" }))
  const [, shortAmount, suffix, longAmount, unitName] = match
  const amount = Number(shortAmount ?? longAmount)
  const unit =
    suffix === undefined ? (`${unitName}s` as Age["unit"]) : unitBySuffix[suffix as keyof typeof unitBySuffix]
  return amount >= 1 && hours({ amount, unit }) <= LONGEST_HOURS
    ? Either.right({ amount, unit })
    : Either.left(new InvalidTimeWindow({ text, wanted: "an age" }))
}

const isDay = (text: string): boolean => {
  const midnight = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  // JavaScript takes 31 February for 3 March.
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(text)
}

/** Reads an age, `today` or a day (`2026-11-01`). */
export const parse = (text: string): Either.Either<TimeWindow, InvalidTimeWindow> => {
  const since = text.trim()
  return since === "today" || isDay(since)
    ? Either.right({ since })
    : Either.mapLeft(parseAge(text), () => new InvalidTimeWindow({ text, wanted: "a time window" }))
}

/** The first second of the window, by Effect's Clock. */
export const cutoff = (window: TimeWindow): Effect.Effect<Timestamp.Timestamp> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (!("since" in window)) return Timestamp.fromEpochMillis(now - hours(window) * MILLIS_PER_HOUR)
    const day = window.since === "today" ? Timestamp.fromEpochMillis(now).slice(0, 10) : window.since
    return `${day} 00:00:00` as Timestamp.Timestamp
  })

/** `7 days`, `1 hour`: for people. */
export const format = ({ amount, unit }: Age): string => `${amount} ${amount === 1 ? unit.slice(0, -1) : unit}`

/** `7 days`, `hour`: what follows "the last" and "the previous". */
const length = (age: Age): string => (age.amount === 1 ? age.unit.slice(0, -1) : format(age))

/** The window as a noun: `the last 7 days`, `the last year`, `today`. */
export const name = (window: TimeWindow): string => {
  if (!("since" in window)) return `the last ${length(window)}`
  return window.since === "today" ? "today" : `the time since ${window.since}`
}

/** The window as the end of a sentence: `in the last 7 days`, `today`, `since 2026-11-01`. */
export const during = (window: TimeWindow): string => {
  if (!("since" in window)) return `in ${name(window)}`
  return window.since === "today" ? "today" : `since ${window.since}`
}

/** The stretch of the same length before the window: `the previous 7 days`. */
export const previous = (window: TimeWindow): string =>
  "since" in window ? "the same length of time before" : `the previous ${length(window)}`
