import * as Schema from "effect/Schema"

/** A sum of a day or an hour that is not what the events of it add up to. */
export const RollupDrift = Schema.Struct({
  /** `YYYY-MM-DD`, or `YYYY-MM-DD HH` for an hour; UTC. */
  period: Schema.String,
  tool_name: Schema.String,
  project_hash: Schema.NullOr(Schema.String),
  /** Null where there is no sum at all. */
  uses: Schema.NullOr(Schema.Number),
  expected_uses: Schema.Number,
})
export type RollupDrift = typeof RollupDrift.Type
