import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { PersistenceError } from "../domain/StoreError.ts"
import type { BaselineShare, TransferredEvent, TransferredProject, TransferredTool } from "../domain/StoreTransfer.ts"

type ToolKey = Pick<TransferredTool, "name" | "project_hash">

/**
 * Takes over what another store holds, each thing once however often it comes. Its writes belong into one transaction with
 * each other, see `DrainLedger.atomically`.
 */
export class StoreImport extends Context.Tag("tooltrail/services/StoreImport")<
  StoreImport,
  {
    /** This store's own name among stores. */
    readonly identity: Effect.Effect<string, PersistenceError>
    readonly takeProject: (project: TransferredProject) => Effect.Effect<void, PersistenceError>
    /** A row that is there keeps what it says; the earlier `discovered_at` wins. Of baselines only what is new is added. */
    readonly takeTool: (
      tool: TransferredTool,
      baselines: ReadonlyArray<BaselineShare>,
    ) => Effect.Effect<void, PersistenceError>
    /** What was taken over of this baseline. */
    readonly getBaseline: (
      origin: string,
      tool: ToolKey,
    ) => Effect.Effect<Option.Option<BaselineShare>, PersistenceError>
    /**
     * Gives those that are here without a tool-use id, known by their origin and id, the one that they have come to have there.
     */
    readonly nameUnnamed: (events: ReadonlyArray<TransferredEvent>) => Effect.Effect<void, PersistenceError>
    /** Those that are not here yet: by agent and tool-use id, or where there is none, by origin and id. */
    readonly findUnknown: (
      events: ReadonlyArray<TransferredEvent>,
    ) => Effect.Effect<ReadonlyArray<TransferredEvent>, PersistenceError>
    /**
     * Leaves out hook calls without a tool-use id that are here already, as a transcript or another hook told of them, and
     * remembers that they are one: see `UsageEvents.insert`.
     */
    readonly withoutTold: (
      events: ReadonlyArray<TransferredEvent>,
    ) => Effect.Effect<ReadonlyArray<TransferredEvent>, PersistenceError>
    /**
     * Finds the call of the same session, tool and outcome that was recorded with a tool-use id within two seconds of this
     * event, and remembers that they are one. False where there is none, or only such that stand for other events of the
     * origin already.
     */
    readonly adopt: (event: TransferredEvent) => Effect.Effect<boolean, PersistenceError>
    /** How many of them may be calls of sessions here that are pruned, and cannot be found. */
    readonly countOfPrunedSessions: (events: ReadonlyArray<TransferredEvent>) => Effect.Effect<number, PersistenceError>
    /** Adds unknown events, and counts them in their tools' rows, which must be there. Returns how many it added. */
    readonly add: (events: ReadonlyArray<TransferredEvent>) => Effect.Effect<number, PersistenceError>
    /** Has those that once had no tool-use id known by their origin and id as well. They must be here, or pruned. */
    readonly rememberUnnamed: (events: ReadonlyArray<TransferredEvent>) => Effect.Effect<void, PersistenceError>
  }
>() {}
