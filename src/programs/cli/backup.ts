import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PersistenceError } from "../../domain/StoreError.ts"
import { printable } from "../../domain/text.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { explainDamage } from "../upkeep/doctor.ts"
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
).pipe(described("Copies the store to a file and checks the copy. Calls are recorded meanwhile.", "tooltrail backup"))
