import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Timestamp from "./Timestamp.ts"

/** A stretch of time that ends now, e.g. the last 7 days. */
export interface TimeWindow {
  readonly amount: number
  readonly unit: "hours" | "days" | "weeks" | "years"
}

/** The text is no time window. The message says what is accepted. */
export class InvalidTimeWindow extends Data.TaggedError("InvalidTimeWindow")<{ readonly text: string }> {
  override get message(): string {
    return `${JSON.stringify(this.text)} is not a time window; accepted are 24h, 7d, 2w, 1y, or "-24 hours", "-7 days", "-2 weeks", "-1 years"`
  }
}

export const lastSevenDays: TimeWindow = { amount: 7, unit: "days" }

const unitBySuffix = { h: "hours", d: "days", w: "weeks", y: "years" } as const
const hoursIn = { hours: 1, days: 24, weeks: 24 * 7, years: 24 * 365 } as const
const MILLIS_PER_HOUR = 3_600_000
const LONGEST_HOURS = 24 * 366 * 100

/** How long the window is, in hours. */
export const hours = ({ amount, unit }: TimeWindow): number => amount * hoursIn[unit]

/**
 * Reads the short form (`24h`, `7d`, `2w`, `1y`) or a SQLite date modifier (`-24 hours`, `-7 days`; `weeks` as well, which
 * SQLite lacks). A year has 365 days. The amount is a whole number from 1, the window at most a hundred years.
 */
export const parse = (text: string): Either.Either<TimeWindow, InvalidTimeWindow> => {
  const match = /^(?:(\d{1,7})([hdwy])|-(\d{1,7}) (hour|day|week|year)s?)$/.exec(text.trim())
  if (match === null) return Either.left(new InvalidTimeWindow({ text }))
  const [, shortAmount, suffix, longAmount, unitName] = match
  const amount = Number(shortAmount ?? longAmount)
  const unit =
    suffix === undefined ? (`${unitName}s` as TimeWindow["unit"]) : unitBySuffix[suffix as keyof typeof unitBySuffix]
  return amount >= 1 && hours({ amount, unit }) <= LONGEST_HOURS
    ? Either.right({ amount, unit })
    : Either.left(new InvalidTimeWindow({ text }))
}

/** The first second that belongs to the window, by Effect's Clock. */
export const cutoff = (window: TimeWindow): Effect.Effect<Timestamp.Timestamp> =>
  Effect.map(Clock.currentTimeMillis, (now) => Timestamp.fromEpochMillis(now - hours(window) * MILLIS_PER_HOUR))

/** `7 days`, `1 hour`: for people. */
export const format = ({ amount, unit }: TimeWindow): string => `${amount} ${amount === 1 ? unit.slice(0, -1) : unit}`
