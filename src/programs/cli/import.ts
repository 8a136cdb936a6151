import { resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { recogniseExport } from "../transfer/importExport.ts"
import { described } from "./command.ts"
import { explainDamage } from "./damage.ts"
import { takeExport, takeLaminark } from "./importOthers.ts"
import { argument, json } from "./options.ts"
import { importHistory, renderImport } from "./recordTranscripts.ts"

const takeTranscripts = (paths: ReadonlyArray<string>, asJson: boolean) =>
  Effect.gen(function* () {
    const result = yield* importHistory(paths)
    const [first, ...others] = result.foreign
    if (first === undefined || result.summary.files > 0) {
      yield* Console.log(asJson ? JSON.stringify(result.summary) : renderImport(result))
    }
    yield* Effect.forEach(others, (other) => Effect.logError(other.message), { discard: true })
    if (first !== undefined) return yield* first
  }).pipe(
    Effect.catchTag("PersistenceError", (error) => Effect.flip(explainDamage(error))),
    Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive)),
  )

const paths = argument(
  "path",
  "Transcripts, or folders with transcripts; where it is left out, all that Claude Code keeps. Or a file that `tooltrail export` wrote. Or `laminark`, and its database where that is not where laminark keeps it.",
).pipe(Args.repeated)

const refuse = (what: string, cause: string) =>
  new PersistenceError({ operation: `import ${what}`, reason: "rejected", cause })

export const importCalls = Command.make("import", { paths, json }, ({ paths, json }) =>
  Effect.gen(function* () {
    const [first, second, ...others] = paths
    if (first === "laminark") {
      if (others.length > 0) return yield* refuse("laminark", "one database at a time")
      return yield* takeLaminark(second, json)
    }
    for (const path of paths) {
      const format = yield* recogniseExport(resolve(path))
      if (Option.isNone(format)) continue
      if (paths.length > 1) return yield* refuse(path, "it is an export, which is imported by itself")
      return yield* takeExport(resolve(path), format.value, json)
    }
    yield* takeTranscripts(paths, json)
  }),
).pipe(
  described(
    "Records the calls of your history from Claude Code's transcripts, of an export, or of laminark. Each is recorded once, however often it is imported.",
    "tooltrail import ~/.claude/projects",
  ),
)
