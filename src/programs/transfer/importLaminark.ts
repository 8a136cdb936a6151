import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { isObject } from "../../domain/agents/payload.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { type ImportedCount, toProject } from "../../domain/StoreTransfer.ts"
import { latestCredible, type Timestamp } from "../../domain/Timestamp.ts"
import {
  type LaminarkFile,
  type LaminarkTool,
  readLaminarkEvent,
  readLaminarkProject,
  readLaminarkTool,
} from "../../layers/agents/laminarkFile.ts"
import { Projects } from "../../services/Projects.ts"
import { StoreTransfer } from "../../services/StoreTransfer.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { Transaction } from "../../services/Transaction.ts"
import { recordToolUses } from "../record/recordToolUses.ts"
import { type Importing, LeftOut } from "./importExport.ts"

export interface ImportedLaminark {
  readonly tools: number
  readonly calls_found: number
  readonly recorded: number
  /** Imported before, or recorded here under the agent's own ids. */
  readonly already_known: number
  /** Calls from before the day up to which this store is pruned. They are not recorded. */
  readonly pruned: number
  /** Uses that the registry there counts beyond its events. */
  readonly counted_only: number
  readonly broken_rows: number
  readonly seconds: number
}

/** What names a row in its table. */
const idOf = (row: unknown): string => (isObject(row) ? String(row.id ?? row.project_hash) : "without an id")

const keyOf = (name: string, projectHash: string | null) => JSON.stringify([name, projectHash])

interface CountOfTool {
  readonly row: LaminarkTool
  /** As of the last import. */
  readonly before: ImportedCount
  /** Events since then. */
  newEvents: number
  lastUsedAt: Timestamp | null
}

const store = (file: LaminarkFile) =>
  Effect.gen(function* () {
    const transfer = yield* StoreTransfer
    const projects = yield* Projects
    const latest = yield* latestCredible
    const prunedBefore = Option.getOrElse(yield* Effect.flatMap(StoreUpkeep, (upkeep) => upkeep.prunedBefore), () => "")
    const seen = { calls: 0, recorded: 0, pruned: 0, countedOnly: 0 }
    const leftOut = new LeftOut(file.path, "rows")

    const read = <A>(
      table: string,
      rows: ReadonlyArray<unknown>,
      decode: (row: unknown) => Either.Either<A, string>,
      timesOf: (value: A) => ReadonlyArray<Timestamp | null>,
    ) =>
      Effect.gen(function* () {
        const values: Array<A> = []
        for (const row of rows) {
          const value = Either.filterOrLeft(
            decode(row),
            (value) => timesOf(value).every((time) => time === null || time <= latest),
            () => "dated more than a day ahead",
          )
          if (Either.isRight(value)) values.push(value.right)
          else yield* leftOut.add(`row ${idOf(row)} of ${table}: ${value.left}`)
        }
        return values
      })

    const tools = yield* read("tool_registry", file.tools, readLaminarkTool, ({ tool, counted }) => [
      ...[tool.discovered_at, tool.updated_at, counted.last_used_at],
    ])
    yield* transfer.mergeTools(tools.map(({ tool }) => tool))
    const counts = new Map<string, CountOfTool>()
    for (const row of tools) {
      const before = yield* transfer.getImportedCount(row.origin, row.tool)
      counts.set(keyOf(row.tool.name, row.tool.project_hash), {
        row,
        before: Option.getOrElse(before, () => ({ count: 0, last_used_at: null })),
        newEvents: 0,
        lastUsedAt: row.counted.last_used_at,
      })
    }

    yield* Stream.runForEach(file.events, (rows) =>
      Effect.gen(function* () {
        const uses = yield* read("tool_usage_events", rows, readLaminarkEvent, ({ usedAt }) => [usedAt])
        const recorded = new Set(yield* Effect.flatMap(transfer.withoutKnown(uses), recordToolUses))
        for (const use of uses) {
          const count = counts.get(keyOf(use.toolName, use.projectHash))
          if (count === undefined) continue
          if (recorded.has(use) || use.usedAt > (count.before.last_used_at ?? "")) count.newEvents++
          if (use.usedAt > (count.lastUsedAt ?? "")) count.lastUsedAt = use.usedAt
        }
        seen.calls += uses.length
        seen.recorded += recorded.size
        seen.pruned += uses.filter(({ usedAt }) => usedAt < prunedBefore).length
      }),
    )

    for (const { row, before, newEvents, lastUsedAt } of counts.values()) {
      const count = Math.max(row.counted.count, before.count)
      if (count === 0) continue
      const withoutEvent = Math.max(0, count - before.count - newEvents)
      seen.countedOnly += withoutEvent
      yield* transfer.importCount(row.origin, row.tool, { count, last_used_at: lastUsedAt }, withoutEvent)
    }

    const found = yield* read("project_metadata", file.projects, readLaminarkProject, ({ last_seen }) => [last_seen])
    yield* projects.rememberAll(found.map(toProject))
    yield* leftOut.sayCount
    return { ...seen, tools: tools.length, broken: leftOut.count }
  })

/**
 * Imports what a database of laminark holds, all of it or nothing: tools, calls with their times, and counts. When it is imported
 * again, what is new since is added.
 */
export const importLaminark = Effect.fn("importLaminark")(function* (
  file: LaminarkFile,
): Effect.fn.Return<ImportedLaminark, PersistenceError, Importing> {
  const { atomically } = yield* Transaction
  const started = yield* Clock.currentTimeMillis
  const done = yield* atomically(store(file))
  return {
    tools: done.tools,
    calls_found: done.calls,
    recorded: done.recorded,
    already_known: done.calls - done.recorded - done.pruned,
    pruned: done.pruned,
    counted_only: done.countedOnly,
    broken_rows: done.broken,
    seconds: ((yield* Clock.currentTimeMillis) - started) / 1000,
  }
})
