import { statSync } from "node:fs"
import { basename, resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AllProjects, type Project, type ProjectSelection } from "../../domain/Project.ts"
import { type DetailPruned, findDamage, type PersistenceError, type StoreMissing } from "../../domain/StoreError.ts"
import type { Timestamp } from "../../domain/Timestamp.ts"
import { TranscriptsLive } from "../../layers/agents/TranscriptsLive.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { ProjectResolverLive } from "../../layers/files/ProjectResolverLive.ts"
import { SpoolFiles } from "../../layers/files/SpoolFiles.ts"
import { commandConnection } from "../../layers/store/connect.ts"
import { type Store, StoreLive } from "../../layers/store/Store.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"
import { Projects } from "../../services/Projects.ts"
import { Spool } from "../../services/Spool.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import type { Transcripts } from "../../services/Transcripts.ts"
import { drainSpool, keepReserve } from "../record/drainSpool.ts"
import { explainDamage } from "../upkeep/doctor.ts"
import { formatTime } from "./render/charts.ts"
import { type OutputStyle, outputStyle } from "./render/terminal.ts"

const ReadSpool = Layer.provide(SpoolFiles, HomeLive)

const openStore = (whenMissing: "create" | "fail") =>
  Layer.provide(StoreLive({ ...commandConnection, whenMissing }), HomeLive)

/** The store, if there is one or calls wait in the spool for one. */
export const PresentStoreOnly = Layer.unwrapEffect(
  Effect.gen(function* () {
    const spool = yield* Spool
    return openStore((yield* spool.list).length > 0 ? "create" : "fail")
  }),
).pipe(Layer.provide(ReadSpool))

/** The same with its spool. */
export const PresentStore = Layer.merge(PresentStoreOnly, ReadSpool)

const Surroundings = Layer.provideMerge(TranscriptsLive, ProjectResolverLive)

export interface View extends OutputStyle {
  /** A stored time as the person wants it. */
  readonly time: (timestamp: Timestamp) => string
}

export interface Question<Answer> {
  readonly ask: Effect.Effect<
    Answer,
    PersistenceError | DetailPruned | UnknownProject,
    Store | ProjectResolver | Transcripts
  >
  /** The JSON value for programs; `undefined` is given if nothing was ever recorded. */
  readonly toJson: (answer: Answer | undefined) => unknown
  /** The text for people. */
  readonly render: (answer: Answer, view: View) => string
}

/** What waits in the spool belongs in the answer. */
export const drainFirst = drainSpool().pipe(
  Effect.catchTag("PersistenceError", (error) =>
    findDamage(error) !== undefined
      ? Effect.fail(error)
      : Effect.logWarning(`the spool is not drained: ${error.message}`),
  ),
  Effect.zipRight(keepReserve),
)

/** What another program wrote is added to the sums. Without, an answer is as right, and takes longer. */
const foldFirst = Effect.flatMap(StoreUpkeep, ({ foldSums }) => foldSums).pipe(
  Effect.catchTag("PersistenceError", (error) => Effect.logDebug(error.message)),
)

const nothingRecorded = ({ message }: StoreMissing) =>
  `${message}\n\`tooltrail install\` registers the hook with your agent; calls are recorded from then on.`

/** Asks the store and prints the answer: one JSON value for programs, text for people. */
export const answer = <Answer>(
  options: { readonly json: boolean; readonly utc?: boolean },
  question: Question<Answer>,
): Effect.Effect<void, PersistenceError | DetailPruned | UnknownProject> =>
  Effect.gen(function* () {
    const result = yield* drainFirst.pipe(
      Effect.zipRight(foldFirst),
      Effect.zipRight(question.ask),
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
      Effect.provide(explainDamage(error), Layer.provideMerge(StoreFileSqlite, HomeLive)),
    ),
  )

/** The project a question is about, with how to speak of it. */
export interface Scope {
  readonly selection: ProjectSelection
  /** Ends a sentence: `across all projects`. */
  readonly where: string
  /** The same after a "no": `in any project`. */
  readonly whereNone: string
}

const everywhere: Scope = { selection: AllProjects, where: "across all projects", whereNone: "in any project" }

/** The folder or the name that a person gave is no known project. The message names those that are alike. */
export class UnknownProject extends Data.TaggedError("UnknownProject")<{ readonly message: string }> {}

/** How many characters to change, add or take away (Levenshtein). */
const editDistance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [row, character] of [...a].entries()) {
    const current = [row + 1]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (b[column - 1] === character ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

const SUGGESTED_PROJECTS = 3

/** The known project of this path or, in upper or lower case, of this name. */
const findKnown = (given: string, path: string | undefined, known: ReadonlyArray<Project>) => {
  const refuse = (reason: string) => new UnknownProject({ message: `--project: ${reason}` })
  const name = given.toLowerCase()
  const ofPath = known.filter(({ root }) => root === path)
  const [found, ...others] = ofPath.length > 0 ? ofPath : known.filter((project) => project.name.toLowerCase() === name)
  if (found !== undefined) {
    const roots = [found, ...others].map(({ root }) => root).sort()
    return others.length === 0
      ? Effect.succeed(found)
      : refuse(`${roots.length} projects are named ${given}; give the path of one: ${roots.join(", ")}`)
  }
  const nearest = known
    .map((project) => ({ ...project, distance: editDistance(basename(name), project.name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.root < b.root ? -1 : 1))
    .slice(0, SUGGESTED_PROJECTS)
    .map(({ name, root }) => `${name} (${root})`)
  const hint = nearest.length === 0 ? "none is known yet" : `the nearest are ${nearest.join(", ")}`
  return refuse(`${given} is neither a folder nor a known project; ${hint}`)
}

/** Finds the project of a folder or of a name; without one, the scope is all projects. */
export const resolveScope = Effect.fn("resolveScope")(function* (
  given: Option.Option<string>,
): Effect.fn.Return<Scope, PersistenceError | UnknownProject, ProjectResolver | Projects> {
  if (Option.isNone(given)) return everywhere
  // A relative path leads nowhere from a folder that is gone, but a name is still one.
  const path = yield* Effect.orElseSucceed(
    Effect.try(() => resolve(given.value)),
    () => undefined,
  )
  if (path === undefined && given.value === ".") {
    return yield* new UnknownProject({
      message: "the current folder is gone; name a project with --project, or use --all-projects",
    })
  }
  // A folder that cannot be looked at may still be a known project's.
  const isFolder = yield* Effect.orElseSucceed(
    Effect.try(() => path !== undefined && statSync(path).isDirectory()),
    () => false,
  )
  const project =
    isFolder && path !== undefined
      ? yield* Effect.flatMap(ProjectResolver, ({ resolve }) => resolve(path))
      : yield* Effect.flatMap(Projects, ({ getAll }) => getAll).pipe(
          Effect.flatMap((known) => findKnown(given.value, path, [...known.values()])),
        )
  const where = `in the project ${project.root}`
  return { selection: project.hash, where, whereNone: where }
})
