import { type Dirent, existsSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs"
import { basename, dirname, isAbsolute, join, resolve, sep } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type TranscriptCall, toToolUse } from "../../domain/agents/claudeCodeTranscript.ts"
import type { Project } from "../../domain/Project.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"
import {
  NoSuchPath,
  type TranscriptFile,
  type TranscriptPlace,
  Transcripts,
  UnreadableTranscript,
} from "../../services/Transcripts.ts"
import { claudeConfigFolder } from "../files/HomeLive.ts"
import { ProjectResolverLive, ProjectResolverRemembering } from "../files/ProjectResolverLive.ts"
import { makeTranscriptReader, readSessionStart } from "./readTranscript.ts"

const SUFFIX = ".jsonl"

interface Candidate extends TranscriptFile {
  /** The path of the session's own transcript, without its suffix. A session's subagents are in a folder of that name. */
  readonly session: string
  readonly bornAt: number
}

/** Runs file operations on a path, which the error names. */
const attempt = <A>(path: string, run: () => A): Either.Either<A, UnreadableTranscript> =>
  Either.try({
    try: run,
    // The system repeats the path behind a comma.
    catch: (error) =>
      new UnreadableTranscript({
        path,
        reason: error instanceof Error ? error.message.replace(/, .*/s, "") : String(error),
      }),
  })

const sessionOf = (path: string): string => {
  const subagents = path.lastIndexOf(`${sep}subagents${sep}`)
  if (subagents >= 0) return path.slice(0, subagents)
  return path.endsWith(SUFFIX) ? path.slice(0, -SUFFIX.length) : path
}

const candidate = (path: string, stats: Stats): Candidate => ({
  path,
  size: stats.size,
  modifiedAt: Math.floor(stats.mtimeMs),
  session: sessionOf(path),
  // A copied file is born late and modified early. Some systems do not know the birth.
  bornAt: Math.min(stats.birthtimeMs || stats.mtimeMs, stats.mtimeMs),
})

const bySessionAndAge = (files: ReadonlyArray<Candidate>): ReadonlyArray<TranscriptFile> => {
  const births = new Map<string, number>()
  for (const { session, bornAt } of files) births.set(session, Math.min(births.get(session) ?? bornAt, bornAt))
  const age = ({ session }: Candidate) => births.get(session) ?? 0
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  return files
    .toSorted((a, b) => age(a) - age(b) || compare(a.session, b.session) || compare(a.path, b.path))
    .map(({ path, size, modifiedAt }) => ({ path, size, modifiedAt }))
}

/** Finds the transcripts at paths that are there: files, or folders with all that is below them, links followed. */
const findTranscripts = (
  paths: ReadonlyArray<string>,
): { readonly files: ReadonlyArray<TranscriptFile>; readonly unreadable: ReadonlyArray<UnreadableTranscript> } => {
  const files: Array<Candidate> = []
  const unreadable: Array<UnreadableTranscript> = []
  // So that no link leads in a circle, and no file is found twice.
  const met = new Set<string>()
  const waiting = paths.map((path) => ({ path, isNamed: true }))

  const visit = (path: string, isNamed: boolean) => {
    const stats = statSync(path)
    if (!stats.isDirectory() && !(stats.isFile() && (isNamed || path.endsWith(SUFFIX)))) return
    const identity = stats.ino === 0 ? path : `${stats.dev} ${stats.ino}`
    if (met.has(identity)) return
    met.add(identity)
    if (stats.isFile()) files.push(candidate(path, stats))
    else {
      const mayMatter = (entry: Dirent) => !entry.isFile() || entry.name.endsWith(SUFFIX)
      const entries = readdirSync(path, { withFileTypes: true }).filter(mayMatter)
      waiting.push(...entries.map(({ name }) => ({ path: join(path, name), isNamed: false })))
    }
  }

  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, isNamed } = next
    const visited = attempt(path, () => visit(path, isNamed))
    if (Either.isLeft(visited)) unreadable.push(visited.left)
  }
  return { files: bySessionAndAge(files), unreadable }
}

/** What Claude Code writes beside a subagent's transcript. */
const decodeNote = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ agentType: Schema.NonEmptyString })))

/** The type of the subagent whose transcript this is, if Claude Code noted it. */
const noteSubagent = (path: string): string | null => {
  if (!basename(path).startsWith("agent-")) return null
  const note = path.replace(/\.jsonl$/, ".meta.json")
  if (note === path || !existsSync(note)) return null
  const text = attempt(note, () => readFileSync(note, "utf8"))
  return Option.getOrNull(Option.flatMap(Either.getRight(text), decodeNote))?.agentType ?? null
}

const DAY_MILLIS = 86_400_000

/** Folders upward in which a session's own transcript is looked for; its subagents' are some folders below. */
const HIGHEST = 6

/** The session's own transcript, if `path` is that of one of its subagents. */
const findOwnTranscript = (path: string, sessionId: string): string | undefined => {
  // It goes into a path.
  if (!/^[0-9A-Za-z_-]{1,128}$/.test(sessionId) || basename(path) === `${sessionId}.jsonl`) return undefined
  let folder = dirname(path)
  for (let height = 0; height < HIGHEST; height++) {
    const own = join(folder, `${sessionId}.jsonl`)
    if (existsSync(own)) return own
    folder = dirname(folder)
  }
  return undefined
}

const make = Effect.gen(function* () {
  const resolver = yield* ProjectResolver
  const readLines = makeTranscriptReader()

  /** Where the session of a call began: what its own transcript says, else this one. */
  const sessionStart = (path: string, { call: { sessionId }, sessionStart }: TranscriptCall): string | null => {
    const own = sessionId === null ? undefined : findOwnTranscript(path, sessionId)
    if (own === undefined || sessionId === null) return sessionStart
    return (
      Either.getOrElse(
        attempt(own, () => readSessionStart(own, sessionId)),
        () => null,
      ) ?? sessionStart
    )
  }

  /** The projects of all sessions that the calls are of. */
  const resolveProjects = Effect.fnUntraced(function* (path: string, calls: ReadonlyArray<TranscriptCall>) {
    const projects = new Map<string | null, Project | undefined>()
    for (const call of calls) {
      const { sessionId } = call.call
      if (projects.has(sessionId)) continue
      const start = sessionStart(path, call)
      projects.set(sessionId, start !== null && isAbsolute(start) ? yield* resolver.resolve(start) : undefined)
    }
    return projects
  })

  /** An import does it some ten thousand times in a row, and so it is without a span. */
  const readOn = Effect.fnUntraced(function* ({ path, read }: TranscriptPlace) {
    const latest = (yield* Clock.currentTimeMillis) + DAY_MILLIS
    const { calls, ...part } = yield* attempt(path, () =>
      readLines(path, { known: read, subagent: noteSubagent(path), latest }),
    )
    const projects = yield* resolveProjects(path, calls)
    return {
      ...part,
      calls: calls.map((finished) => toToolUse(finished, projects.get(finished.call.sessionId))),
    }
  })

  return Transcripts.of({
    find: Effect.fn("Transcripts.find")(function* (paths) {
      const isNamed = paths.length > 0
      const places = isNamed ? paths.map((path) => resolve(path)) : [join(yield* claudeConfigFolder, "projects")]
      const present = places.filter((place) => existsSync(place))
      const [missing] = places.filter((place) => !present.includes(place))
      if (isNamed && missing !== undefined) return yield* new NoSuchPath({ path: missing })
      return { ...findTranscripts(present), places }
    }),
    readOn,
  })
})

/** Reads Claude Code's transcripts from the disk. */
export const TranscriptsLive: Layer.Layer<Transcripts, never, ProjectResolver> = Layer.effect(Transcripts, make)

/** The same, with the live resolver, which is asked once about each folder. */
export const TranscriptsRemembering: Layer.Layer<Transcripts> = TranscriptsLive.pipe(
  Layer.provide(ProjectResolverRemembering({ capacity: 1000, timeToLive: "1 hour" })),
  Layer.provide(ProjectResolverLive),
)
