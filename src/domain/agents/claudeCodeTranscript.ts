import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Project } from "../Project.ts"
import * as Timestamp from "../Timestamp.ts"
import { extractServerName } from "../ToolName.ts"
import type { FailureKind, ToolUse } from "../ToolUse.ts"
import {
  isObject,
  type JsonObject,
  LONGEST_DURATION_MILLIS,
  LONGEST_PATH,
  LONGEST_TEXT,
  OptionalFields,
  targetOf,
  textProblem,
} from "./payload.ts"

/** A tool call that an entry asks for. */
export interface RequestedCall {
  readonly toolUseId: string
  readonly toolName: string
  readonly target: string | null
}

/** That a tool call ended, and how; no kind of failure where it succeeded. */
export interface CallResult {
  readonly toolUseId: string
  readonly failureKind: FailureKind | null
}

/** What one line of a transcript says about tool calls. */
export interface TranscriptEntry {
  readonly sessionId: string | null
  /** The agent's working folder. It moves with `cd`. */
  readonly cwd: string | null
  /** When it was written, in epoch milliseconds. */
  readonly millis: number | null
  /** The type of the subagent that speaks. */
  readonly subagent: string | null
  readonly requested: ReadonlyArray<RequestedCall>
  readonly results: ReadonlyArray<CallResult>
}

/** How the results begin that the agent writes where the user would not have the call. */
const refusals = [
  "The user doesn't want to proceed with this tool use",
  "The user doesn't want to take this action right now",
  "[Request interrupted by user for tool use]",
]

/** Times of the years 0000 to 9999 are written in the common form. */
const EARLIEST = Date.parse("0000-01-01T00:00:00.000Z")
const LATEST = Date.parse("9999-12-31T23:59:59.999Z")

const isUsable = (value: unknown): value is string => textProblem(value, LONGEST_TEXT) === undefined

const blocksOf = (entry: JsonObject, type: string): ReadonlyArray<JsonObject> => {
  const content = isObject(entry.message) ? entry.message.content : undefined
  return Array.isArray(content) ? content.filter((block) => isObject(block) && block.type === type) : []
}

const requestedCalls = (entry: JsonObject): ReadonlyArray<RequestedCall> =>
  blocksOf(entry, "tool_use").flatMap((block) =>
    isUsable(block.id) && isUsable(block.name)
      ? [
          {
            toolUseId: block.id,
            toolName: block.name,
            target: targetOf(block.name, block, "input", new OptionalFields()),
          },
        ]
      : [],
  )

/** The text that a result begins with: it is a text itself, or a list of parts. */
const beginning = (content: unknown): string => {
  const first = Array.isArray(content) ? (content[0] as unknown) : content
  const text = isObject(first) ? first.text : first
  return typeof text === "string" ? text.trimStart() : ""
}

const callResults = (entry: JsonObject): ReadonlyArray<CallResult> =>
  blocksOf(entry, "tool_result").flatMap((block): ReadonlyArray<CallResult> => {
    if (!isUsable(block.tool_use_id)) return []
    if (block.is_error !== true) return [{ toolUseId: block.tool_use_id, failureKind: null }]
    const text = beginning(block.content)
    const isRefused = refusals.some((refusal) => text.startsWith(refusal))
    return [{ toolUseId: block.tool_use_id, failureKind: isRefused ? "interrupted" : "error" }]
  })

/**
 * Reads one entry of a transcript, as JSON. Fields that are not usable count as absent, and entries of any other type say
 * nothing about calls: the format is Claude Code's own, is not documented, and changes.
 */
export const decodeEntry = (value: unknown): TranscriptEntry => {
  const entry = isObject(value) ? value : {}
  const fields = new OptionalFields()
  const millis = typeof entry.timestamp === "string" ? Date.parse(entry.timestamp) : Number.NaN
  return {
    sessionId: fields.text(entry, "sessionId"),
    cwd: fields.text(entry, "cwd", LONGEST_PATH),
    millis: millis >= EARLIEST && millis <= LATEST ? millis : null,
    subagent: fields.text(entry, "attributionAgent"),
    requested: entry.type === "assistant" ? requestedCalls(entry) : [],
    results: entry.type === "user" ? callResults(entry) : [],
  }
}

/** A finished call as a transcript tells it. */
export interface TranscriptCall {
  readonly call: OpenCall
  readonly failureKind: FailureKind | null
  /** When its result was written, in epoch milliseconds. */
  readonly millis: number
  readonly durationMs: number | null
  /** The working folder of the first entry of its session in this transcript. */
  readonly sessionStart: string | null
}

/** Null where a time is not known, or where they cannot be those of one call. */
const durationBetween = (begun: number | null, ended: number | null): number | null => {
  if (begun === null || ended === null) return null
  const millis = ended - begun
  return millis >= 0 && millis <= LONGEST_DURATION_MILLIS ? millis : null
}

const MILLIS_PER_DAY = 86_400_000

const sixties = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, "0"))

/** Writes times as `Timestamp.fromEpochMillis` does, but for the day, which is that of the time before nearly always. */
const makeTimestamps = () => {
  let day = Number.NaN
  let dayText = ""
  return (millis: number): Timestamp.Timestamp => {
    const nextDay = Math.floor(millis / MILLIS_PER_DAY)
    if (nextDay !== day) {
      day = nextDay
      dayText = Timestamp.fromEpochMillis(day * MILLIS_PER_DAY).slice(0, -8)
    }
    const seconds = Math.floor((millis - day * MILLIS_PER_DAY) / 1000)
    const [hour, minute] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
    return `${dayText}${sixties[hour]}:${sixties[minute]}:${sixties[seconds % 60]}` as Timestamp.Timestamp
  }
}

const toTimestamp = makeTimestamps()

/** The call as what every source turns into. */
export const toToolUse = (finished: TranscriptCall, project: Project | undefined): ToolUse => {
  const { call, failureKind, millis, durationMs } = finished
  return {
    toolName: call.toolName,
    agent: "claude-code",
    sessionId: call.sessionId,
    projectHash: project?.hash ?? null,
    projectRoot: project?.root ?? null,
    success: failureKind === null,
    usedAt: toTimestamp(millis),
    toolUseId: call.toolUseId,
    durationMs,
    durationIsEstimated: durationMs !== null,
    subagent: call.subagent,
    target: call.target,
    serverName: extractServerName(call.toolName),
    failureKind,
    source: "transcript",
  }
}

const Carried = Schema.parseJson(
  Schema.Struct({
    sessionStarts: Schema.Array(Schema.Tuple(Schema.String, Schema.String)),
    open: Schema.Array(
      Schema.Struct({
        toolUseId: Schema.String,
        toolName: Schema.String,
        target: Schema.NullOr(Schema.String),
        sessionId: Schema.NullOr(Schema.String),
        millis: Schema.NullOr(Schema.Number),
        subagent: Schema.NullOr(Schema.String),
      }),
    ),
  }),
)

type OpenCall = (typeof Carried.Type)["open"][number]

/** Follows one transcript, entry by entry, and pairs calls with their results. */
export class TranscriptFollower {
  readonly #sessionStarts: Map<string, string>
  readonly #open: Map<string, OpenCall>
  /** The open call that was asked for last. It is none of the others; most results follow right upon their calls. */
  #newest: OpenCall | undefined
  /** The type of all subagents that speak, where the entries do not say it. */
  readonly #subagent: string | null

  private constructor(carried: typeof Carried.Type, subagent: string | null) {
    this.#sessionStarts = new Map(carried.sessionStarts)
    this.#open = new Map(carried.open.map((call) => [call.toolUseId, call]))
    this.#subagent = subagent
  }

  static begin(subagent: string | null): TranscriptFollower {
    return new TranscriptFollower({ sessionStarts: [], open: [] }, subagent)
  }

  /** Goes on with what another follower carried; none where that cannot be read. */
  static resume(carried: string, subagent: string | null): Option.Option<TranscriptFollower> {
    return Option.map(
      Schema.decodeUnknownOption(Carried)(carried),
      (decoded) => new TranscriptFollower(decoded, subagent),
    )
  }

  /** What the next follower needs, as text. */
  get carried(): string {
    const open = this.#newest === undefined ? this.#open.values() : [...this.#open.values(), this.#newest]
    return JSON.stringify({ sessionStarts: [...this.#sessionStarts], open: [...open] })
  }

  /** How many calls have no result yet. */
  get openCalls(): number {
    return this.#open.size + (this.#newest === undefined ? 0 : 1)
  }

  #begin(call: OpenCall): void {
    if (this.#newest !== undefined) this.#open.set(this.#newest.toolUseId, this.#newest)
    if (this.#open.size > 0) this.#open.delete(call.toolUseId)
    this.#newest = call
  }

  #end(toolUseId: string): void {
    if (this.#newest?.toolUseId === toolUseId) this.#newest = undefined
    else this.#open.delete(toolUseId)
  }

  /** Takes the next entry, and adds the calls that it finishes. A call is used when its result arrives, as for the hook. */
  follow(entry: TranscriptEntry, finished: Array<TranscriptCall>): void {
    const { sessionId, cwd, millis } = entry
    if (sessionId !== null && cwd !== null && !this.#sessionStarts.has(sessionId)) {
      this.#sessionStarts.set(sessionId, cwd)
    }
    for (const { toolUseId, toolName, target } of entry.requested) {
      const subagent = entry.subagent ?? this.#subagent
      this.#begin({ toolUseId, toolName, target, sessionId, millis, subagent })
    }
    for (const { toolUseId, failureKind } of entry.results) {
      const call = this.#newest?.toolUseId === toolUseId ? this.#newest : this.#open.get(toolUseId)
      const usedAt = millis ?? call?.millis ?? null
      if (call === undefined || usedAt === null) continue
      this.#end(toolUseId)
      const durationMs = durationBetween(call.millis, millis)
      const sessionStart = call.sessionId === null ? null : (this.#sessionStarts.get(call.sessionId) ?? null)
      finished.push({ call, failureKind, millis: usedAt, durationMs, sessionStart })
    }
  }
}
