import { writeFileSync } from "node:fs"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AllProjects } from "../../src/domain/Project.ts"
import type { TransferFormat } from "../../src/domain/transferText.ts"
import { openLaminarkFile } from "../../src/layers/agents/laminarkFile.ts"
import { type Store, StoreLive } from "../../src/layers/store/Store.ts"
import { StoreExportSqlite } from "../../src/layers/store/StoreExportSqlite.ts"
import { StoreImportSql } from "../../src/layers/store/StoreTransferSql.ts"
import { exportStore } from "../../src/programs/transfer/exportStore.ts"
import { importExport, recogniseExport } from "../../src/programs/transfer/importExport.ts"
import { importLaminark } from "../../src/programs/transfer/importLaminark.ts"
import type { ExportSelection, StoreExport } from "../../src/services/StoreExport.ts"
import type { StoreImport } from "../../src/services/StoreTransfer.ts"
import { homeAt } from "./home.ts"

type Everything = Store | SqlClient.SqlClient | StoreExport | StoreImport | FileSystem.FileSystem

/** Runs with the store in this folder, made where there is none. */
export const inStore = <A, E>(home: string, effect: Effect.Effect<A, E, Everything>) =>
  effect.pipe(
    Effect.provide(
      Layer.mergeAll(StoreImportSql, StoreExportSqlite).pipe(
        Layer.provideMerge(StoreLive({ busyTimeoutMillis: 1000, checkpointPages: 1000, whenMissing: "create" })),
        Layer.provide(homeAt(home)),
        Layer.merge(NodeFileSystem.layer),
      ),
    ),
  )

export const exportTo = (
  home: string,
  path: string,
  format: TransferFormat = "jsonl",
  selection: ExportSelection = { project: AllProjects, since: null },
) =>
  Effect.gen(function* () {
    let text = ""
    const events = yield* inStore(
      home,
      exportStore(format, selection, (piece) =>
        Effect.sync(() => {
          text += piece
        }),
      ),
    )
    writeFileSync(path, text)
    return { events, text }
  })

export const importFrom = (home: string, path: string) =>
  inStore(
    home,
    Effect.gen(function* () {
      const format = yield* recogniseExport(path)
      return yield* importExport(path, Option.getOrThrow(format))
    }),
  )

export const importLaminarkFrom = (home: string, path: string) =>
  Effect.scoped(Effect.flatMap(openLaminarkFile(path), (file) => inStore(home, importLaminark(file))))

export const query = (home: string, statement: string) =>
  inStore(
    home,
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement)),
  )

/** All that a store holds, apart from row ids. */
export const contentOf = (home: string) =>
  Effect.gen(function* () {
    const without = (row: Record<string, unknown>): Record<string, unknown> => ({ ...row, id: undefined })
    return {
      events: (yield* query(
        home,
        "SELECT * FROM tool_usage_events ORDER BY created_at, tool_name, session_id, tool_use_id, project_hash, duration_ms, success, target, subagent, failure_kind, agent, source",
      )).map(without),
      tools: (yield* query(home, "SELECT * FROM tool_registry ORDER BY name, project_hash")).map(without),
      projects: yield* query(home, "SELECT * FROM projects ORDER BY project_hash"),
    }
  })
