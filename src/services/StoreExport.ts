import * as Context from "effect/Context"
import type * as Stream from "effect/Stream"
import type { ProjectSelection } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { TransferRecord } from "../domain/StoreTransfer.ts"
import type { Timestamp } from "../domain/Timestamp.ts"

export interface ExportSelection {
  readonly project: ProjectSelection
  /** The earliest time of an event; null for all. */
  readonly since: Timestamp | null
}

/** All that a store holds, as it was at one moment, in a stable order: events by their time. */
export class StoreExport extends Context.Tag("tooltrail/services/StoreExport")<
  StoreExport,
  { readonly read: (selection: ExportSelection) => Stream.Stream<TransferRecord, PersistenceError> }
>() {}
