import { writeFileSync } from "node:fs"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AllProjects } from "../../src/domain/Project.ts"
import { openLaminarkFile } from "../../src/layers/agents/laminarkFile.ts"
import { type Store, StoreLive, StoreMemory } from "../../src/layers/store/Store.ts"
import { StoreTransferSql } from "../../src/layers/store/StoreTransferSql.ts"
import { type ExportFormat, exportStore } from "../../src/programs/transfer/exportStore.ts"
import { importExport, recogniseExport } from "../../src/programs/transfer/importExport.ts"
import { importLaminark } from "../../src/programs/transfer/importLaminark.ts"
import type { ExportSelection, StoreTransfer } from "../../src/services/StoreTransfer.ts"
import { homeAt } from "./home.ts"

type Everything = Store | SqlClient.SqlClient | StoreTransfer | FileSystem.FileSystem

/** The home of a store, which is made if there is none, or an open store. */
export type StorePlace = string | Context.Context<Everything>

/** An empty store in memory. */
export const openStore = Layer.build(
  Layer.merge(Layer.provideMerge(StoreTransferSql, StoreMemory), NodeFileSystem.layer),
)

export const inStore = <A, E>(place: StorePlace, effect: Effect.Effect<A, E, Everything>) =>
  typeof place !== "string"
    ? Effect.provide(effect, place)
    : effect.pipe(
        Effect.provide(
          StoreTransferSql.pipe(
            Layer.provideMerge(StoreLive({ busyTimeoutMillis: 1000, checkpointPages: 1000, whenMissing: "create" })),
            Layer.provide(homeAt(place)),
            Layer.merge(NodeFileSystem.layer),
          ),
        ),
      )

export const exportTo = (
  place: StorePlace,
  path: string,
  format: ExportFormat = "jsonl",
  selection: ExportSelection = { project: AllProjects, since: null },
) =>
  Effect.gen(function* () {
    let text = ""
    const events = yield* inStore(
      place,
      exportStore(format, selection, (piece) =>
        Effect.sync(() => {
          text += piece
        }),
      ),
    )
    writeFileSync(path, text)
    return { events, text }
  })

export const importFrom = (place: StorePlace, path: string) =>
  inStore(
    place,
    Effect.gen(function* () {
      const header = yield* recogniseExport(path)
      return yield* importExport(path, Option.getOrThrow(header))
    }),
  )

export const importLaminarkFrom = (place: StorePlace, path: string) =>
  Effect.scoped(Effect.flatMap(openLaminarkFile(path), (file) => inStore(place, importLaminark(file))))

export const query = (place: StorePlace, statement: string) =>
  inStore(
    place,
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement)),
  )

/** All that a store holds, apart from row ids and when rows were written. */
export const contentOf = (place: StorePlace) =>
  Effect.gen(function* () {
    const without = (row: Record<string, unknown>): Record<string, unknown> => ({
      ...{ ...row, id: undefined, updated_at: undefined },
    })
    return {
      events: (yield* query(
        place,
        "SELECT * FROM tool_usage_events ORDER BY created_at, tool_name, session_id, tool_use_id, project_hash, duration_ms, success, target, subagent, failure_kind, agent, source",
      )).map(without),
      tools: (yield* query(place, "SELECT * FROM tool_registry ORDER BY name, project_hash")).map(without),
      projects: yield* query(place, "SELECT * FROM projects ORDER BY project_hash"),
    }
  })
