import { type Dirent, readdirSync, type Stats, statSync } from "node:fs"
import { join, sep } from "node:path"
import * as Either from "effect/Either"
import { type TranscriptFile, UnreadableTranscript } from "../../domain/agents/TranscriptFile.ts"

const SUFFIX = ".jsonl"

interface Candidate extends TranscriptFile {
  /** The path of the session's own transcript, without its suffix. A session's subagents are in a folder of that name. */
  readonly session: string
  readonly bornAt: number
}

/** Runs file operations on a path; what they throw is told with it. */
export const attempt = <A>(path: string, run: () => A): Either.Either<A, UnreadableTranscript> =>
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
  // A copied file is born late and modified early. Some systems do not tell the birth.
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
export const findTranscripts = (
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
