import { resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { cutoff } from "../../domain/TimeWindow.ts"
import { counted, printable } from "../../domain/text.ts"
import { writeWholeFile } from "../../layers/files/draft.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { ProjectResolverLive } from "../../layers/files/ProjectResolverLive.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { StoreTransferSql } from "../../layers/store/StoreTransferSql.ts"
import type { ExportSelection } from "../../services/StoreTransfer.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { type ExportFormat, exportStore } from "../transfer/exportStore.ts"
import { explainDamage } from "../upkeep/doctor.ts"
import { drainFirst, PresentStore, resolveScope } from "./answer.ts"
import { described } from "./command.ts"
import { argument, projectOption, window } from "./options.ts"

const file = argument("file", "The file to write, readable by you only. Default: standard output.").pipe(Args.optional)

const formats: ReadonlyArray<ExportFormat> = ["jsonl", "csv"]

const format = Options.choice("format", formats).pipe(
  Options.withDescription("The format. csv holds only the calls and cannot be imported. Default: jsonl."),
  Options.withDefault("jsonl" as const),
)

const since = window(
  "since",
  "Only calls since then: 24h, 7d, 2w, 1y, today, or a date (UTC). Default: all calls.",
).pipe(Options.optional)

const project = projectOption("Only this project, by its folder or its name. Default: all projects.")

const force = Options.boolean("force").pipe(Options.withDescription("Replace the file if it exists."))

/** Waits until the reader has taken the text, so that nothing piles up in memory. */
const toStandardOutput = (text: string): Effect.Effect<void, PersistenceError> =>
  Effect.async((resume) => {
    process.stdout.write(text, (cause) =>
      resume(cause == null ? Effect.void : new PersistenceError({ operation: "export", reason: "unavailable", cause })),
    )
  })

const warnOfPruned = ({ project, since }: ExportSelection) =>
  Effect.gen(function* () {
    const { prunedOf } = yield* StoreUpkeep
    const pruned = yield* prunedOf({ project, ...(since === null ? {} : { from: since }) })
    if (Option.isNone(pruned)) return
    yield* Effect.logWarning(
      `calls before ${pruned.value} are pruned, so the export has neither them nor their counts; \`tooltrail backup\` copies everything`,
    )
  })

export const exportCommand = Command.make(
  "export",
  { file, format, since, project, force },
  ({ file, format, since, project, force }) =>
    Effect.gen(function* () {
      yield* drainFirst
      const { selection } = yield* resolveScope(project)
      const from = Option.isSome(since) ? yield* cutoff(since.value) : null
      const exported = { project: selection, since: from }
      yield* warnOfPruned(exported)
      const run = <E, R>(write: (text: string) => Effect.Effect<void, E, R>) => exportStore(format, exported, write)
      if (Option.isNone(file)) return yield* Effect.asVoid(run(toStandardOutput))
      const path = resolve(file.value)
      const events = yield* writeWholeFile(path, force, run)
      yield* Console.log(`Wrote ${counted(events, "call")} to ${printable(path)}`)
    }).pipe(
      Effect.provide(Layer.merge(Layer.provideMerge(StoreTransferSql, PresentStore), ProjectResolverLive)),
      Effect.catchTag("StoreMissing", (cause) =>
        Effect.fail(new PersistenceError({ operation: "export", reason: "unavailable", cause })),
      ),
      Effect.catchTag("PersistenceError", (error) =>
        Effect.provide(explainDamage(error), Layer.provideMerge(StoreFileSqlite, HomeLive)),
      ),
      // Nobody collects the spans, and a span costs more than writing a row.
      Effect.withTracerEnabled(false),
    ),
).pipe(
  described(
    "Writes out all calls, tools and projects, as lines of JSON that `tooltrail import` reads back, or as CSV for spreadsheets.",
    "tooltrail export --since 30d calls.jsonl",
  ),
)
