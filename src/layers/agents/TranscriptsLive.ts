import { existsSync, readFileSync } from "node:fs"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type TranscriptCall, toToolUse } from "../../domain/agents/claudeCodeTranscript.ts"
import { NoSuchPath } from "../../domain/agents/TranscriptFile.ts"
import type { Project } from "../../domain/Project.ts"
import { ProjectResolver } from "../../services/ProjectResolver.ts"
import { type TranscriptPlace, Transcripts } from "../../services/Transcripts.ts"
import { claudeConfigFolder } from "../files/claudeConfigFolder.ts"
import { ProjectResolverLive } from "../files/ProjectResolverLive.ts"
import { ProjectResolverRemembering } from "../files/ProjectResolverRemembering.ts"
import { attempt, findTranscripts } from "./findTranscripts.ts"
import { makeTranscriptReader, readSessionStart } from "./readTranscript.ts"

/** What Claude Code writes beside a subagent's transcript. */
const decodeNote = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ agentType: Schema.NonEmptyString })))

/** The type of the subagent whose transcript this is, where Claude Code noted it. */
const noteSubagent = (path: string): string | null => {
  if (!basename(path).startsWith("agent-")) return null
  const note = path.replace(/\.jsonl$/, ".meta.json")
  if (note === path || !existsSync(note)) return null
  const text = attempt(note, () => readFileSync(note, "utf8"))
  return Option.getOrNull(Option.flatMap(Either.getRight(text), decodeNote))?.agentType ?? null
}

/** Folders upward in which a session's own transcript is looked for; its subagents' are some folders below. */
const HIGHEST = 6

/** The session's own transcript, where `path` is that of one of its subagents. */
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
    const { calls, ...part } = yield* attempt(path, () => readLines(path, read, noteSubagent(path)))
    const projects = yield* resolveProjects(path, calls)
    return {
      ...part,
      callCount: calls.length,
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
    readEach: (places) => Effect.forEach(places, (place) => Effect.either(readOn(place))),
  })
})

/** Reads Claude Code's transcripts from the disk. */
export const TranscriptsLive: Layer.Layer<Transcripts, never, ProjectResolver> = Layer.effect(Transcripts, make)

/** The same, with the live resolver, which is asked once about each folder. */
export const TranscriptsRemembering: Layer.Layer<Transcripts> = TranscriptsLive.pipe(
  Layer.provide(ProjectResolverRemembering({ capacity: 1000, timeToLive: "1 hour" })),
  Layer.provide(ProjectResolverLive),
)
