import { resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/PersistenceError.ts"
import { recogniseExport } from "../importExport.ts"
import { described } from "./described.ts"
import { takeExport, takeLaminark } from "./importOthers.ts"
import { argument, json } from "./options.ts"

const paths = argument("path", "A file that `tooltrail export` wrote; or `laminark`, and its database.").pipe(
  Args.atLeast(1),
)

const cannotImport = (what: string, cause: string) =>
  new PersistenceError({ operation: `import ${what}`, reason: "rejected", cause })

export const importCommand = Command.make("import", { paths, json }, ({ paths: [first, second, ...others], json }) =>
  Effect.gen(function* () {
    if (others.length > 0 || (first !== "laminark" && second !== undefined)) {
      return yield* cannotImport(first, "one file at a time")
    }
    if (first === "laminark") return yield* takeLaminark(second, json)
    const path = resolve(first)
    const format = yield* recogniseExport(path)
    if (Option.isNone(format)) return yield* cannotImport(path, "it is no file that `tooltrail export` wrote")
    yield* takeExport(path, format.value, json)
  }),
).pipe(described("Takes over calls from elsewhere, each once.", "tooltrail import calls.jsonl"))
