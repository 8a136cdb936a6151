import { resolve } from "node:path"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/PersistenceError.ts"
import { printable } from "../../domain/printable.ts"
import { counted } from "../counted.ts"
import { importExport, recogniseExport } from "../importExport.ts"
import { described } from "./described.ts"
import { ImportingStore } from "./importingStore.ts"
import { argument, json } from "./options.ts"

const path = argument("path", "A file that `tooltrail export` wrote.")

export const importCommand = Command.make("import", { path, json }, ({ path: given, json }) =>
  Effect.gen(function* () {
    const path = resolve(given)
    const format = yield* recogniseExport(path)
    if (Option.isNone(format)) {
      return yield* new PersistenceError({
        operation: `import ${path}`,
        reason: "rejected",
        cause: "it is no file that `tooltrail export` wrote",
      })
    }
    const done = yield* importExport(path, format.value).pipe(Effect.provide(ImportingStore))
    yield* Console.log(
      json
        ? JSON.stringify({ files: 1, ...done })
        : `Imported ${printable(path)}: ${counted(done.recorded, "call")} recorded, ${done.already_known} known already`,
    )
  }).pipe(Effect.withTracerEnabled(false)),
).pipe(described("Takes over calls from elsewhere, each once.", "tooltrail import calls.jsonl"))
