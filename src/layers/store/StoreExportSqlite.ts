import Database from "better-sqlite3"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { AllProjects } from "../../domain/Project.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { TRANSFER_VERSION, type TransferRecord } from "../../domain/StoreTransfer.ts"
import { now } from "../../domain/Timestamp.ts"
import { Home } from "../../services/Home.ts"
import { type ExportSelection, StoreExport } from "../../services/StoreExport.ts"
import { failingTo } from "./failingTo.ts"

const CHUNK_ROWS = 500

type Row = Readonly<Record<string, unknown>>

const attempt = <A>(run: () => A): Effect.Effect<A, PersistenceError> =>
  failingTo("read the store for an export")(Effect.try(run))

/** Rows as the reader asks for them, a chunk at a time. */
const rowsOf = (rows: IterableIterator<unknown>) =>
  Stream.repeatEffectChunkOption(
    attempt(() => {
      const chunk: Array<Row> = []
      for (let next = rows.next(); ; next = rows.next()) {
        if (next.done) return chunk
        chunk.push(next.value as Row)
        if (chunk.length === CHUNK_ROWS) return chunk
      }
    }).pipe(
      Effect.mapError(Option.some),
      Effect.flatMap((chunk) =>
        chunk.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(chunk)),
      ),
    ),
  )

/** Row by row from a connection of its own, because the SQL client reads all rows of an answer at once. */
const open = (filename: string) =>
  Effect.acquireRelease(
    attempt(() => {
      const database = new Database(filename, { readonly: true })
      // One state of the store for all of the questions.
      database.exec("BEGIN")
      return database
    }),
    (database) => Effect.sync(() => database.close()),
  )

const readFrom = (database: Database.Database, { project, since }: ExportSelection) =>
  Effect.gen(function* () {
    const ofProject = project === AllProjects ? "1" : "project_hash IS $project"
    const bound = { ...(project === AllProjects ? {} : { project }), ...(since === null ? {} : { since }) }
    const ask = (sql: string, parameters: Record<string, unknown>) =>
      Stream.unwrapScoped(
        Effect.acquireRelease(
          attempt(() => database.prepare(sql).iterate(parameters)),
          // The database cannot be closed while a question is open.
          (rows) => Effect.sync(() => void rows.return?.()),
        ).pipe(Effect.map(rowsOf)),
      )
    const ofProjectOnly = project === AllProjects ? {} : { project }

    const store = yield* attempt(() => String(database.prepare("SELECT id FROM store_identity").pluck().get()))
    const baselinesOf = yield* attempt(() =>
      database.prepare(`
        SELECT origin, count, last_used_at, counted FROM imported_baselines
        WHERE name = $name AND COALESCE(project_hash, '') = COALESCE($project_hash, '')
        ORDER BY origin`),
    )
    const exportedAt = yield* now
    const seen = { projects: 0, tools: 0, events: 0 }

    const header: TransferRecord = {
      _tag: "Header",
      header: { tooltrail: "events", version: TRANSFER_VERSION, store, exported_at: exportedAt, since },
    }

    const projects = ask(
      `SELECT project_hash, root, name, first_seen, last_seen FROM projects WHERE ${ofProject} ORDER BY project_hash`,
      ofProjectOnly,
    ).pipe(
      Stream.map((project) => {
        seen.projects++
        return { _tag: "Project", project } as unknown as TransferRecord
      }),
    )

    /** A baseline holds the store's own uses without an event, and what it took over from others. */
    const sharesOf = ({ name, project_hash, baseline_count, baseline_last_used_at }: Row) => {
      if (since !== null || baseline_count === null) return []
      const taken = baselinesOf.all({ name, project_hash }) as ReadonlyArray<{ readonly count: number }>
      const own = Number(baseline_count) - taken.reduce((sum, { count }) => sum + count, 0)
      return [{ origin: store, count: own, last_used_at: baseline_last_used_at, counted: null }, ...taken]
    }

    const tools = ask(`SELECT * FROM tool_registry WHERE ${ofProject} ORDER BY name, project_hash`, ofProjectOnly).pipe(
      Stream.mapEffect((row) =>
        attempt(() => {
          seen.tools++
          const { id, baseline_count, baseline_last_used_at, pruned_count, pruned_last_used_at, ...tool } = row
          return { _tag: "Tool", tool, baselines: sharesOf(row) } as unknown as TransferRecord
        }),
      ),
    )

    const events = ask(
      `SELECT i.origin, i.origin_id, e.* FROM tool_usage_events e LEFT JOIN event_origins i
         ON (i.origin, i.origin_id, i.created_at) = (
           SELECT origin, origin_id, created_at FROM event_origins WHERE event_id = e.id
           ORDER BY origin <> $store, origin, origin_id LIMIT 1)
       WHERE ${ofProject} ${since === null ? "" : "AND e.created_at >= $since"} ORDER BY e.created_at, e.id`,
      { ...bound, store },
    ).pipe(
      Stream.map((row) => {
        seen.events++
        const { origin, origin_id, id, ...columns } = row
        const was_unnamed = origin !== null && columns.tool_use_id !== null ? 1 : undefined
        const event = { origin: origin ?? store, id: origin_id ?? id, ...columns, was_unnamed }
        return { _tag: "Event", event } as unknown as TransferRecord
      }),
    )

    const end = Stream.sync((): TransferRecord => ({ _tag: "End", end: { ...seen } }))

    return Stream.make(header).pipe(
      Stream.concat(projects),
      Stream.concat(tools),
      Stream.concat(events),
      Stream.concat(end),
    )
  })

const make = Effect.gen(function* () {
  const home = yield* Home
  return StoreExport.of({
    read: (selection) =>
      Stream.unwrapScoped(Effect.flatMap(open(home.database), (database) => readFrom(database, selection))),
  })
})

/** Reads the store in the home folder, which must be there with its schema up to date, while others go on writing. */
export const StoreExportSqlite: Layer.Layer<StoreExport, never, Home> = Layer.effect(StoreExport, make)
