import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ReadTranscript, TranscriptFile, UnreadableTranscript } from "../../domain/agents/TranscriptFile.ts"
import { type TranscriptPart, Transcripts } from "../../services/Transcripts.ts"

/** Transcripts are read ahead in groups of about so many bytes, so many groups at once. */
const GROUP_BYTES = 4_000_000
const GROUPS_AHEAD = 13

const groupsOf = (files: ReadonlyArray<TranscriptFile>): ReadonlyArray<ReadonlyArray<TranscriptFile>> => {
  const groups: Array<Array<TranscriptFile>> = []
  let room = 0
  for (const file of files) {
    if (room <= 0) {
      groups.push([])
      room = GROUP_BYTES
    }
    groups.at(-1)?.push(file)
    room -= file.size
  }
  return groups
}

/** The parts of a transcript whose first part is read. */
const partsFrom = (first: TranscriptPart) => {
  const following = ({ read, isEnd }: TranscriptPart) =>
    isEnd
      ? Effect.succeedNone
      : Effect.flatMap(Transcripts, ({ readOn }) => readOn({ path: read.path, read: Option.some(read) })).pipe(
          Effect.map((next) => Option.some([next, next] as const)),
        )
  return first.isEnd
    ? Stream.succeed(first)
    : Stream.concat(Stream.succeed(first), Stream.buffer(Stream.unfoldEffect(first, following), { capacity: 2 }))
}

type Reading = Either.Either<TranscriptPart, UnreadableTranscript>

const allFrom = Either.match({
  onLeft: (error: UnreadableTranscript) => Stream.succeed<Reading>(Either.left(error)),
  onRight: (first: TranscriptPart) =>
    partsFrom(first).pipe(
      Stream.map((part): Reading => Either.right(part)),
      Stream.catchAll((error) => Stream.succeed<Reading>(Either.left(error))),
    ),
})

/** Whether no part follows. */
const isWhole = Either.match({ onLeft: () => true, onRight: ({ isEnd }: TranscriptPart) => isEnd })

/**
 * The parts of transcripts, file after file in their order, and what of them cannot be read. `known` says by path how far
 * they are read already.
 */
export const readTranscripts = (
  files: ReadonlyArray<TranscriptFile>,
  known: ReadonlyMap<string, ReadTranscript>,
): Stream.Stream<Reading, never, Transcripts> =>
  Stream.fromIterable(groupsOf(files)).pipe(
    Stream.mapEffect(
      (group) =>
        Effect.flatMap(Transcripts, ({ readEach }) =>
          readEach(group.map(({ path }) => ({ path, read: Option.fromNullable(known.get(path)) }))),
        ),
      { concurrency: GROUPS_AHEAD },
    ),
    Stream.flatMap((firsts) =>
      firsts.every(isWhole) ? Stream.fromIterable(firsts) : Stream.flatMap(Stream.fromIterable(firsts), allFrom),
    ),
  )
