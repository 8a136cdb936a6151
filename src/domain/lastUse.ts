import * as Option from "effect/Option"
import type { Timestamp } from "./Timestamp.ts"
import type { ToolRegistryRow } from "./Tool.ts"

/** When any of these tools was called last; none where none ever was. */
export const lastUse = (rows: ReadonlyArray<ToolRegistryRow>): Option.Option<Timestamp> =>
  Option.fromNullable(
    rows
      .flatMap(({ last_used_at }) => last_used_at ?? [])
      .sort()
      .at(-1),
  )
