import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { isObject } from "../../domain/agents/payload.ts"
import { inferredTool } from "../../domain/inferredTool.ts"
import { type LaminarkTool, readLaminarkEvent, readLaminarkProject, readLaminarkTool } from "../../domain/Laminark.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { type TransferredEvent, toolKey } from "../../domain/StoreTransfer.ts"
import { counted } from "../../domain/text.ts"
import type { LaminarkFile } from "../../layers/agents/laminarkFile.ts"
import { StoreImport } from "../../services/StoreTransfer.ts"
import { DrainLedger } from "../../services/Transaction.ts"

const BATCH = 1000

/** Broken rows that are named; of the others only how many there are is said. */
const MOST_NAMED = 5

/** What names a row in its table. */
const idOf = (row: unknown): string => (isObject(row) ? String(row.id ?? row.project_hash) : "without an id")

export interface ImportedLaminark {
  readonly tools: number
  readonly calls_found: number
  readonly recorded: number
  readonly already_known: number
  /** Of those that are known already: calls that were recorded from elsewhere. */
  readonly recognised: number
  /** Uses that the registry there counts beyond its events. */
  readonly counted_only: number
  /** Of those that are recorded: calls of sessions that are pruned here, some of which may be pruned calls. */
  readonly of_pruned_sessions: number
  readonly broken_rows: number
  readonly seconds: number
}

const take = (file: LaminarkFile) =>
  Effect.gen(function* () {
    const store = yield* StoreImport
    const seen = { found: 0, recorded: 0, recognised: 0, countedOnly: 0, ofPruned: 0, broken: 0 }
    const named: Array<string> = []
    /** How many events of a tool are new. */
    const fresh = new Map<string, number>()
    const knownTools = new Set<string>()

    const readRows = <A>(
      table: string,
      rows: ReadonlyArray<unknown>,
      read: (row: unknown) => Either.Either<A, string>,
    ): ReadonlyArray<A> =>
      rows.flatMap((row) =>
        Either.match(read(row), {
          onRight: (value) => [value],
          onLeft: (reason) => {
            if (++seen.broken <= MOST_NAMED) named.push(`row ${idOf(row)} of ${table}: ${reason}`)
            return []
          },
        }),
      )

    const takeTool = (tool: LaminarkTool["tool"]) =>
      Effect.suspend(() => {
        knownTools.add(toolKey(tool))
        return store.takeTool(tool, [])
      })

    const takeEvents = (events: ReadonlyArray<TransferredEvent>) =>
      Effect.gen(function* () {
        const unknown = yield* store.findUnknown(events)
        const recognised = yield* Effect.filter(unknown, store.adopt)
        const rest = unknown.filter((event) => !recognised.includes(event))
        for (const event of unknown) {
          const key = toolKey({ name: event.tool_name, project_hash: event.project_hash })
          fresh.set(key, (fresh.get(key) ?? 0) + 1)
        }
        for (const event of rest) {
          const tool = inferredTool(event)
          if (!knownTools.has(toolKey(tool))) yield* takeTool(tool)
        }
        seen.found += events.length
        seen.recognised += recognised.length
        seen.ofPruned += yield* store.countOfPrunedSessions(rest)
        seen.recorded += yield* store.add(rest)
      })

    /** What the row there has counted since it was last taken over, less the events that are new since, has no event. */
    const takeCounts = ({ origin, tool, usageCount, lastUsedAt }: LaminarkTool) =>
      Effect.gen(function* () {
        const before = yield* store.getBaseline(origin, tool)
        const { count, counted } = Option.getOrElse(before, () => ({ count: 0, counted: 0 }))
        const grown = usageCount - (counted ?? 0)
        const countedOnly = Math.max(0, grown - (fresh.get(toolKey(tool)) ?? 0))
        if (Option.isNone(before) && usageCount === 0 && lastUsedAt === null) return
        seen.countedOnly += countedOnly
        yield* store.takeTool(tool, [
          {
            origin,
            count: count + countedOnly,
            last_used_at: lastUsedAt,
            counted: Math.max(usageCount, counted ?? 0),
          },
        ])
      })

    const tools = readRows("tool_registry", file.tools, readLaminarkTool)
    yield* Effect.forEach(tools, ({ tool }) => takeTool(tool), { discard: true })
    for (let last = 0; ; ) {
      const rows = yield* file.eventsAfter(last, BATCH)
      if (rows.length === 0) break
      yield* takeEvents(readRows("tool_usage_events", rows, readLaminarkEvent))
      last = rows.at(-1)?.id ?? last
    }
    yield* Effect.forEach(tools, takeCounts, { discard: true })
    const projects = readRows("project_metadata", file.projects, readLaminarkProject)
    yield* Effect.forEach(projects, store.takeProject, { discard: true })
    return { ...seen, named, tools: tools.length }
  })

/**
 * Takes over what a database of laminark holds, all of it or nothing: tools, calls with their times, and counts. Again, it
 * takes over what is new since.
 */
export const importLaminark = Effect.fn("importLaminark")(function* (
  file: LaminarkFile,
): Effect.fn.Return<ImportedLaminark, PersistenceError, StoreImport | DrainLedger> {
  const { atomically } = yield* DrainLedger
  const started = yield* Clock.currentTimeMillis
  const done = yield* atomically(take(file))
  yield* Effect.forEach(done.named, (row) => Effect.logWarning(`${file.path}, ${row}; it is left out`), {
    discard: true,
  })
  if (done.ofPruned > 0) {
    const which = `${counted(done.ofPruned, "call")} of sessions that are pruned here`
    yield* Effect.logWarning(`${file.path}: ${which}; those that were recorded from elsewhere as well count twice now`)
  }
  if (done.broken > MOST_NAMED) yield* Effect.logWarning(`${file.path}: ${done.broken} rows in all are left out`)
  return {
    tools: done.tools,
    calls_found: done.found,
    recorded: done.recorded,
    already_known: done.found - done.recorded,
    recognised: done.recognised,
    counted_only: done.countedOnly,
    of_pruned_sessions: done.ofPruned,
    broken_rows: done.broken,
    seconds: ((yield* Clock.currentTimeMillis) - started) / 1000,
  }
})
