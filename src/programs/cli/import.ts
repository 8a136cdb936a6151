import { existsSync } from "node:fs"
import { resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/PersistenceError.ts"
import { printable } from "../../domain/printable.ts"
import { laminarkPlaces, openLaminarkFile } from "../../layers/laminarkFile.ts"
import { counted } from "../counted.ts"
import { importExport, recogniseExport } from "../importExport.ts"
import { importLaminark } from "../importLaminark.ts"
import { described } from "./described.ts"
import { ImportingStore } from "./importingStore.ts"
import { argument, json } from "./options.ts"

const paths = argument(
  "path",
  "A file that `tooltrail export` wrote; or `laminark` and, unless it is where laminark keeps it, its database.",
).pipe(Args.atLeast(1))

const cannotImport = (what: string, cause: string) =>
  new PersistenceError({ operation: `import ${what}`, reason: "rejected", cause })

const findLaminark = (given: string | undefined) =>
  Effect.gen(function* () {
    if (given !== undefined) return resolve(given)
    const places = yield* laminarkPlaces
    const place = places.find((path) => existsSync(path))
    return place ?? (yield* cannotImport("laminark", `there is no ${places.join(" and no ")}; name its database`))
  })

const takeLaminark = (given: string | undefined, asJson: boolean) =>
  Effect.gen(function* () {
    const path = yield* findLaminark(given)
    const file = yield* openLaminarkFile(path)
    const done = yield* Effect.provide(importLaminark(file), ImportingStore)
    if (asJson) return yield* Console.log(JSON.stringify({ path, ...done }))
    const others =
      done.counted_only === 0 ? "" : `, and ${counted(done.counted_only, "use")} without a time of their own`
    yield* Console.log(
      `Imported ${printable(path)}: ${counted(done.recorded, "call")} recorded${others}, ${done.already_known} known already`,
    )
  }).pipe(Effect.scoped)

const takeExport = (given: string, asJson: boolean) =>
  Effect.gen(function* () {
    const path = resolve(given)
    const format = yield* recogniseExport(path)
    if (Option.isNone(format)) return yield* cannotImport(path, "it is no file that `tooltrail export` wrote")
    const done = yield* Effect.provide(importExport(path, format.value), ImportingStore)
    if (asJson) return yield* Console.log(JSON.stringify({ files: 1, ...done }))
    yield* Console.log(
      `Imported ${printable(path)}: ${counted(done.recorded, "call")} recorded, ${done.already_known} known already`,
    )
  })

export const importCommand = Command.make("import", { paths, json }, ({ paths: [first, second, ...others], json }) =>
  Effect.gen(function* () {
    if (others.length > 0 || (first !== "laminark" && second !== undefined)) {
      return yield* cannotImport(first, "one file at a time")
    }
    yield* first === "laminark" ? takeLaminark(second, json) : takeExport(first, json)
    // Nobody collects the spans, and a row costs less than its own.
  }).pipe(Effect.withTracerEnabled(false)),
).pipe(described("Takes over calls from elsewhere, each once.", "tooltrail import calls.jsonl"))
