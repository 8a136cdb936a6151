import { resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DetailPruned } from "../../domain/DetailPruned.ts"
import { AllProjects, type Project, type ProjectSelection } from "../../domain/Project.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import type { StoreMissing } from "../../domain/StoreMissing.ts"
import type { Timestamp } from "../../domain/Timestamp.ts"
import { TranscriptsLive } from "../../layers/agents/TranscriptsLive.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { ProjectResolverLive } from "../../layers/files/ProjectResolverLive.ts"
import { SpoolFiles } from "../../layers/files/SpoolFiles.ts"
import { unhurried } from "../../layers/store/connect.ts"
import { type Store, StoreLive } from "../../layers/store/Store.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"
import { Spool } from "../../services/Spool.ts"
import type { Transcripts } from "../../services/Transcripts.ts"
import { drainSpool, keepReserve } from "../record/spool.ts"
import { explainDamage, isDamage } from "./damage.ts"
import { formatTime } from "./render/charts.ts"
import { type OutputStyle, outputStyle } from "./render/terminal.ts"

const ReadSpool = Layer.provide(SpoolFiles, HomeLive)

const openStore = (whenMissing: "create" | "fail") => Layer.provide(StoreLive({ ...unhurried, whenMissing }), HomeLive)

/** The store where there is one, or where calls wait in the spool for one. */
export const PresentStoreOnly = Layer.unwrapEffect(
  Effect.gen(function* () {
    const spool = yield* Spool
    return openStore((yield* spool.list).length > 0 ? "create" : "fail")
  }),
).pipe(Layer.provide(ReadSpool))

/** The store where there is one, with its spool. */
export const PresentStore = Layer.merge(PresentStoreOnly, ReadSpool)

const Surroundings = Layer.provideMerge(TranscriptsLive, ProjectResolverLive)

export interface View extends OutputStyle {
  /** A stored time as the person wants it. */
  readonly time: (timestamp: Timestamp) => string
}

export interface Question<Answer> {
  readonly ask: Effect.Effect<Answer, PersistenceError | DetailPruned, Store | ProjectResolver | Transcripts>
  /** The JSON value for programs; of no answer where nothing was ever recorded. */
  readonly toJson: (answer: Answer | undefined) => unknown
  /** The text for people. */
  readonly render: (answer: Answer, view: View) => string
}

/** What waits in the spool belongs into the answer. */
export const drainFirst = drainSpool().pipe(
  Effect.catchTag("PersistenceError", (error) =>
    isDamage(error) ? Effect.fail(error) : Effect.logWarning(`the spool is not drained: ${error.message}`),
  ),
  Effect.zipRight(keepReserve),
)

const nothingRecorded = ({ message }: StoreMissing) =>
  `${message}\n\`tooltrail install\` registers the hook with your agent; its calls show up from then on.`

/** Asks the store and prints the answer: one JSON value for programs, text for people. */
export const answer = <Answer>(
  options: { readonly json: boolean; readonly utc?: boolean },
  question: Question<Answer>,
): Effect.Effect<void, PersistenceError | DetailPruned> =>
  Effect.gen(function* () {
    const result = yield* Effect.zipRight(drainFirst, question.ask).pipe(
      Effect.provide(Layer.merge(PresentStore, Surroundings)),
    )
    if (options.json) return yield* Console.log(JSON.stringify(question.toJson(result)))
    const now = yield* Clock.currentTimeMillis
    const utc = options.utc ?? false
    const view = { ...(yield* outputStyle), time: (timestamp: Timestamp) => formatTime(timestamp, { now, utc }) }
    yield* Console.log(question.render(result, view))
  }).pipe(
    Effect.catchTag("StoreMissing", (missing) =>
      options.json
        ? Effect.zipRight(Effect.logWarning(missing.message), Console.log(JSON.stringify(question.toJson(undefined))))
        : Console.log(nothingRecorded(missing)),
    ),
    Effect.catchTag("PersistenceError", (error) =>
      Effect.flip(explainDamage(error)).pipe(Effect.provide(Layer.provideMerge(StoreFileSqlite, HomeLive))),
    ),
  )

/** The project a question is about, with how to speak of it. */
export interface Scope {
  readonly selection: ProjectSelection
  readonly description: string
}

const absolute = (folder: string) =>
  Effect.try({
    try: () => resolve(folder),
    catch: () =>
      new PersistenceError({
        operation: "tell the project",
        reason: "rejected",
        cause: "the current folder is gone; name one with --project, or look at --all-projects",
      }),
  })

/** Finds the project of a folder; no folder stands for all projects. */
export const resolveScope: (folder: Option.Option<string>) => Effect.Effect<Scope, PersistenceError, ProjectResolver> =
  Option.match({
    onNone: () => Effect.succeed<Scope>({ selection: AllProjects, description: "in any project" }),
    onSome: (folder) =>
      Effect.gen(function* () {
        const resolver = yield* ProjectResolver
        const project: Project = yield* resolver.resolve(yield* absolute(folder))
        return { selection: project.hash, description: `in the project ${project.root}` }
      }),
  })
