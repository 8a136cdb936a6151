import * as Schema from "effect/Schema"
import { fromEpochMillis, type Timestamp, toEpochMillis } from "./Timestamp.ts"

/** A stored time. */
export const TimestampText: Schema.BrandSchema<Timestamp, string> = Schema.String.pipe(Schema.brand("Timestamp"))

/** The 30th of February has the form of a time as well. */
const isTime = (text: string): text is Timestamp =>
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) && fromEpochMillis(toEpochMillis(text as Timestamp)) === text

/** A time in the form of the store that comes from outside. */
export const CheckedTimestamp: Schema.Schema<Timestamp, string> = Schema.String.pipe(
  Schema.filter(isTime, { message: () => "is not a time like 2026-11-26 13:45:00" }),
)
