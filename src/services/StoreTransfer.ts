import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type { ProjectSelection } from "../domain/Project.ts"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { ImportedCount, TransferRecord, TransferredTool } from "../domain/StoreTransfer.ts"
import type { Timestamp } from "../domain/Timestamp.ts"
import type { ToolUse } from "../domain/ToolUse.ts"

export interface ExportSelection {
  readonly project: ProjectSelection
  /** The earliest time of a call; null for all. */
  readonly since: Timestamp | null
}

/** Moves what a store holds to another store, and takes over what other programs counted. */
export class StoreTransfer extends Context.Tag("tooltrail/services/StoreTransfer")<
  StoreTransfer,
  {
    /**
     * Hands over all that is stored, as it is at one moment, some records at a time and in a stable order: calls by their
     * time. Instead of a row that no import would accept it names the row and says why.
     */
    readonly readAll: <E, R>(
      selection: ExportSelection,
      take: (records: ReadonlyArray<Either.Either<TransferRecord, string>>) => Effect.Effect<void, E, R>,
    ) => Effect.Effect<void, PersistenceError | E, R>

    /** Adds tools that are not there. A row that is there keeps what it says; the earlier `discovered_at` wins. */
    readonly mergeTools: (tools: ReadonlyArray<TransferredTool>) => Effect.Effect<void, PersistenceError>

    /**
     * Leaves out calls with made ids that the store has under other ids: those of a session up to shortly after the last of its calls that has the
     * agent's own id, and those that a row without an id stands for.
     */
    readonly withoutKnown: (uses: ReadonlyArray<ToolUse>) => Effect.Effect<ReadonlyArray<ToolUse>, PersistenceError>

    /** What another program had counted for a tool when it was imported last. */
    readonly getImportedCount: (
      origin: string,
      tool: TransferredTool,
    ) => Effect.Effect<Option.Option<ImportedCount>, PersistenceError>

    /** Remembers what another program has counted for a tool that is there, and adds the uses that have no event to the tool's baseline. */
    readonly importCount: (
      origin: string,
      tool: TransferredTool,
      counted: ImportedCount,
      withoutEvent: number,
    ) => Effect.Effect<void, PersistenceError>
  }
>() {}
