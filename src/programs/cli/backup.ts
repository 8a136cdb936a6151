import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { counted, printable } from "../../domain/text.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { drainSpool } from "../record/drainSpool.ts"
import { explainDamage } from "../upkeep/doctor.ts"
import { PresentStore } from "./answer.ts"
import { described } from "./command.ts"
import { argument } from "./options.ts"

const path = argument("path", "The file to write. Default: a new file in the home folder's backups.").pipe(
  Args.optional,
)

export const backup = Command.make("backup", { path }, ({ path }) =>
  Effect.gen(function* () {
    const store = yield* StoreFile
    yield* Console.log(`Backed up to ${printable(yield* store.backup(path))}`)
  }).pipe(
    Effect.catchTag("PersistenceError", explainDamage),
    Effect.catchTag("StoreMissing", (cause) =>
      Effect.fail(new PersistenceError({ operation: "back up", reason: "unavailable", cause })),
    ),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  ),
).pipe(
  described("Copies the store to a file and checks the copy. Hooks go on recording meanwhile.", "tooltrail backup"),
)

const restored = argument("path", "The backup to restore. It stays as it is.")

export const restore = Command.make("restore", { path: restored }, ({ path }) =>
  Effect.gen(function* () {
    const store = yield* StoreFile
    const { calls, replaced } = yield* store.restore(path)
    if (Option.isSome(replaced)) {
      yield* Console.log(`Kept the old store as ${printable(replaced.value)}`)
    }
    yield* Console.log(`Restored ${printable(path)}, which holds ${counted(calls, "call")}`)
    const drained = yield* Effect.provide(drainSpool(), PresentStore)
    yield* Console.log(`Stored ${counted(drained, "call")} from the spool`)
  }).pipe(
    Effect.catchTag("StoreMissing", (cause) =>
      Effect.fail(new PersistenceError({ operation: "drain the spool", reason: "unavailable", cause })),
    ),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  ),
).pipe(
  described(
    "Checks a backup, puts a copy of it in place of the store, and stores the calls that wait in the spool. The old store is kept under another name.",
    "tooltrail restore tooltrail-20260131-235959.db",
  ),
)
