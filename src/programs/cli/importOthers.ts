import { existsSync } from "node:fs"
import { resolve } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../../domain/StoreError.ts"
import { counted, printable } from "../../domain/text.ts"
import type { TransferFormat } from "../../domain/transferText.ts"
import { laminarkPlaces, openLaminarkFile } from "../../layers/agents/laminarkFile.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { unhurried } from "../../layers/store/connect.ts"
import { StoreLive } from "../../layers/store/Store.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { StoreImportSql } from "../../layers/store/StoreTransferSql.ts"
import type { StoreImport } from "../../services/StoreTransfer.ts"
import type { DrainLedger } from "../../services/Transaction.ts"
import { importExport } from "../transfer/importExport.ts"
import { importLaminark } from "../transfer/importLaminark.ts"
import { explainDamage } from "./damage.ts"

const ImportingStore = Layer.provideMerge(StoreImportSql, StoreLive({ ...unhurried, whenMissing: "create" }))

/** With the store, which is made where there is none. */
const withStore = <A, R>(effect: Effect.Effect<A, PersistenceError, R | StoreImport | DrainLedger>) =>
  effect.pipe(
    Effect.provide(ImportingStore),
    Effect.catchTag("StoreMissing", Effect.die),
    Effect.catchTag("PersistenceError", (error) => Effect.flip(explainDamage(error))),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
    // Nobody collects the spans, and a row costs less than its own.
    Effect.withTracerEnabled(false),
  )

const renderTaken = (recorded: number, path: string, parts: ReadonlyArray<string>) =>
  `Recorded ${counted(recorded, "call")} from ${printable(path)} (${parts.join(", ")}).`

/** Takes over a file that `tooltrail export` wrote, and prints what came of it. */
export const takeExport = (
  path: string,
  format: TransferFormat,
  asJson: boolean,
): Effect.Effect<void, PersistenceError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const done = yield* withStore(importExport(path, format))
    if (asJson) return yield* Console.log(JSON.stringify({ files: 1, ...done }))
    const parts = [
      `${done.already_known} known already`,
      ...(done.broken_lines === 0 ? [] : [counted(done.broken_lines, "broken line")]),
    ]
    yield* Console.log(renderTaken(done.recorded, path, parts))
  })

const findLaminark = Effect.gen(function* () {
  const places = yield* laminarkPlaces
  const place = places.find((path) => existsSync(path))
  if (place !== undefined) return place
  return yield* new PersistenceError({
    operation: "import laminark",
    reason: "rejected",
    cause: `there is no ${places.join(" and no ")}; name its database`,
  })
})

/** Takes over the database of laminark at this place, else where laminark keeps it, and prints what came of it. */
export const takeLaminark = (given: string | undefined, asJson: boolean): Effect.Effect<void, PersistenceError> =>
  Effect.gen(function* () {
    const path = given === undefined ? yield* findLaminark : resolve(given)
    const file = yield* openLaminarkFile(path)
    const done = yield* withStore(importLaminark(file))
    if (asJson) return yield* Console.log(JSON.stringify({ path, ...done }))
    const parts = [
      `${done.already_known} known already`,
      ...(done.counted_only === 0 ? [] : [`${counted(done.counted_only, "use")} that it only counted`]),
      ...(done.broken_rows === 0 ? [] : [counted(done.broken_rows, "broken row")]),
    ]
    yield* Console.log(renderTaken(done.recorded, path, parts))
  }).pipe(Effect.scoped)
