import * as Schema from "effect/Schema"
import type { Timestamp } from "./Timestamp.ts"

/** A stored time. */
export const TimestampText: Schema.BrandSchema<Timestamp, string> = Schema.String.pipe(Schema.brand("Timestamp"))
