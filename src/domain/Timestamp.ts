import type * as Brand from "effect/Brand"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** An instant as the store keeps it: UTC text, `YYYY-MM-DD HH:MM:SS`. Such texts sort as the instants do. */
export type Timestamp = string & Brand.Brand<"Timestamp">

const pad = (number: number, length = 2) => String(number).padStart(length, "0")

/**
 * The day of the Gregorian calendar, `YYYY-MM-DD`, from 0000-03-01 to 9999-12-31. A `Date` would do the same, but
 * first reads the machine's time zone, which takes the hook a quarter of a millisecond.
 * Source: https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
const dayText = (daysSinceEpoch: number): string => {
  const days = daysSinceEpoch + 719_468
  const era = Math.floor(days / 146_097)
  const dayOfEra = days - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  // Counted from March on.
  const month = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * month + 2) / 5) + 1
  const year = yearOfEra + era * 400 + (month < 10 ? 0 : 1)
  return `${pad(year, 4)}-${pad(month < 10 ? month + 3 : month - 9)}-${pad(day)}`
}

/** Cuts to the second, as SQLite's `datetime()` does. */
export const fromEpochMillis = (millis: number): Timestamp => {
  const seconds = Math.floor(millis / 1000)
  const days = Math.floor(seconds / 86_400)
  const ofDay = seconds - days * 86_400
  const time = `${pad(Math.floor(ofDay / 3600))}:${pad(Math.floor(ofDay / 60) % 60)}:${pad(ofDay % 60)}`
  return `${dayText(days)} ${time}` as Timestamp
}

export const toEpochMillis = (timestamp: Timestamp): number => Date.parse(`${timestamp.replace(" ", "T")}Z`)

/** The present second by Effect's Clock. */
export const now: Effect.Effect<Timestamp> = Effect.map(Clock.currentTimeMillis, fromEpochMillis)

/** A time from elsewhere that is later is wrong: clocks differ by less than a day. */
export const latestCredible: Effect.Effect<Timestamp> = Effect.map(Clock.currentTimeMillis, (millis) =>
  fromEpochMillis(millis + 86_400_000),
)
