import * as Layer from "effect/Layer"
import { PersistenceError } from "../../domain/PersistenceError.ts"
import { HomeLive } from "../../layers/HomeLive.ts"
import { StoreLive } from "../../layers/Store.ts"
import { StoreImportSql } from "../../layers/StoreImportSql.ts"

const BUSY_TIMEOUT_MILLIS = 5000
const CHECKPOINT_PAGES = 1000

const Store = Layer.provide(
  StoreLive({ busyTimeoutMillis: BUSY_TIMEOUT_MILLIS, checkpointPages: CHECKPOINT_PAGES, whenMissing: "create" }),
  HomeLive,
).pipe(
  Layer.catchAll((error) =>
    Layer.fail(
      error._tag === "StoreMissing"
        ? new PersistenceError({ operation: "make a store", reason: "unavailable", cause: error })
        : error,
    ),
  ),
)

/** The store, made where there is none, with what takes over from others. */
export const ImportingStore = Layer.provideMerge(StoreImportSql, Store)
