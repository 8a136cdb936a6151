import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type ReadTranscript, UnreadableTranscript } from "../../domain/agents/TranscriptFile.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import type { TranscriptPart, TranscriptPlace } from "../../services/Transcripts.ts"

/** Asks a worker to read transcripts on. What is a class does not get from thread to thread as what it is. */
export type ReadRequest = ReadonlyArray<{ readonly path: string; readonly read: ReadTranscript | null }>

/** What differs from call to call. */
type Own = Pick<ToolUse, "toolUseId" | "usedAt" | "durationMs">

/** What many calls share. */
type Shared = Omit<ToolUse, keyof Own>

/** Calls, packed: thousands of objects take long from thread to thread. */
interface PackedCalls {
  /** Every combination of what calls share, as it is met first, in JSON. */
  readonly shared: string
  /** For each call, the place of what it shares. */
  readonly places: Uint32Array
  /** For each call; -1 where there is none. */
  readonly durations: Float64Array
  /** For each call its time and its id, in JSON. As bytes they lie outside the heap, and are not moved about while they wait. */
  readonly texts: Uint8Array
}

interface PackedPart extends Omit<TranscriptPart, "calls"> {
  readonly calls: PackedCalls
}

type PackedReading = PackedPart | { readonly path: string; readonly reason: string }

/** A part or a failure for each transcript that was asked for. */
export type ReadAnswer = ReadonlyArray<PackedReading>

const keyOf = ({
  toolName,
  sessionId,
  projectHash,
  subagent,
  target,
  failureKind,
  durationIsEstimated,
}: Shared): string =>
  JSON.stringify([toolName, sessionId, projectHash, subagent, target, failureKind, durationIsEstimated])

const isShared = (call: Shared, last: Shared | undefined): boolean =>
  last !== undefined &&
  call.toolName === last.toolName &&
  call.sessionId === last.sessionId &&
  call.projectHash === last.projectHash &&
  call.subagent === last.subagent &&
  call.target === last.target &&
  call.failureKind === last.failureKind &&
  call.durationIsEstimated === last.durationIsEstimated

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const packCalls = (calls: ReadonlyArray<ToolUse>): PackedCalls => {
  const shared: Array<Shared> = []
  const placeOf = new Map<string, number>()
  const lastOfTool = new Map<string, number>()
  const places = new Uint32Array(calls.length)
  const durations = new Float64Array(calls.length)
  const texts: Array<string | null> = []
  for (const [n, call] of calls.entries()) {
    let place = lastOfTool.get(call.toolName) ?? 0
    if (!isShared(call, shared[place])) {
      const key = keyOf(call)
      place = placeOf.get(key) ?? shared.length
      placeOf.set(key, place)
      lastOfTool.set(call.toolName, place)
      if (place === shared.length) shared.push(call)
    }
    places[n] = place
    durations[n] = call.durationMs ?? -1
    texts.push(call.usedAt, call.toolUseId)
  }
  return { shared: JSON.stringify(shared), places, durations, texts: encoder.encode(JSON.stringify(texts)) }
}

const unpackCalls = ({ places, durations, texts, ...packed }: PackedCalls): ReadonlyArray<ToolUse> => {
  const shared = JSON.parse(packed.shared) as ReadonlyArray<Shared>
  const own = JSON.parse(decoder.decode(texts)) as ReadonlyArray<string | null>
  return Array.from(places, (place, n) => {
    const common = shared[place] as Shared
    return {
      toolName: common.toolName,
      agent: common.agent,
      sessionId: common.sessionId,
      projectHash: common.projectHash,
      projectRoot: common.projectRoot,
      success: common.success,
      usedAt: own[2 * n] as ToolUse["usedAt"],
      toolUseId: own[2 * n + 1] ?? null,
      durationMs: durations[n] === -1 ? null : (durations[n] ?? null),
      durationIsEstimated: common.durationIsEstimated,
      subagent: common.subagent,
      target: common.target,
      serverName: common.serverName,
      failureKind: common.failureKind,
      source: common.source,
    }
  })
}

/** The calls stay packed until they are asked for: many parts may wait. */
const unpackPart = ({ calls, ...part }: PackedPart): TranscriptPart => ({
  ...part,
  get calls() {
    return unpackCalls(calls)
  },
})

export const packRequest = (places: ReadonlyArray<TranscriptPlace>): ReadRequest =>
  places.map(({ path, read }) => ({ path, read: Option.getOrNull(read) }))

export const unpackRequest = (request: ReadRequest): ReadonlyArray<TranscriptPlace> =>
  request.map(({ path, read }) => ({ path, read: Option.fromNullable(read) }))

export const packReading: (reading: Either.Either<TranscriptPart, UnreadableTranscript>) => PackedReading =
  Either.match({
    onLeft: ({ path, reason }) => ({ path, reason }),
    onRight: (part) => ({ ...part, calls: packCalls(part.calls) }),
  })

export const unpackAnswer = (answer: ReadAnswer): ReadonlyArray<Either.Either<TranscriptPart, UnreadableTranscript>> =>
  answer.map((part) =>
    "reason" in part ? Either.left(new UnreadableTranscript(part)) : Either.right(unpackPart(part)),
  )
