import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Project } from "../Project.ts"
import * as Timestamp from "../Timestamp.ts"
import { extractServerName } from "../ToolName.ts"
import { FailureKind, type ToolUse } from "../ToolUse.ts"
import {
  failureKindOf,
  isObject,
  type JsonObject,
  jsonBytes,
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
  readonly inputBytes: number | null
}

/** That a tool call ended, and how; no kind of failure if it succeeded. */
export interface CallResult {
  readonly toolUseId: string
  readonly failureKind: FailureKind | null
  readonly outputBytes: number | null
}

/** What one line of a transcript says about tool calls. */
export interface TranscriptEntry {
  readonly sessionId: string | null
  /** The agent's working folder. It moves with `cd`. */
  readonly cwd: string | null
  /** When it was written, in epoch milliseconds; null if it says nothing about calls. */
  readonly millis: number | null
  /** The type of the subagent that speaks. */
  readonly subagent: string | null
  readonly requested: ReadonlyArray<RequestedCall>
  readonly results: ReadonlyArray<CallResult>
}

/** Times of the years 0000 to 9999 are written in the common form. */
const EARLIEST = Date.parse("0000-01-01T00:00:00.000Z")
const LATEST = Date.parse("9999-12-31T23:59:59.999Z")

/** An entry's time in epoch milliseconds. */
export const millisOf = (timestamp: unknown): number | null => {
  const millis = typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN
  return millis >= EARLIEST && millis <= LATEST ? millis : null
}

const isUsable = (value: unknown): value is string => textProblem(value, LONGEST_TEXT) === undefined

/** What a block `tool_use` says, and how long its input is; nothing if its id or name cannot be kept. */
export const requestedCall = (block: JsonObject, inputBytes = jsonBytes(block.input)): RequestedCall | undefined =>
  isUsable(block.id) && isUsable(block.name)
    ? {
        toolUseId: block.id,
        toolName: block.name,
        target: targetOf(block.name, block, "input", new OptionalFields()),
        inputBytes,
      }
    : undefined

/** What a result begins with: it is a text itself, or a list of parts. */
const firstText = (content: unknown): unknown => {
  const first = Array.isArray(content) ? (content[0] as unknown) : content
  return isObject(first) ? first.text : first
}

/** What a block `tool_result` says, and how long its content is; nothing if its id cannot be kept. */
export const callResult = (
  { tool_use_id: toolUseId, is_error: isError, content }: JsonObject,
  outputBytes = jsonBytes(content),
): CallResult | undefined =>
  isUsable(toolUseId)
    ? { toolUseId, failureKind: isError === true ? failureKindOf(firstText(content)) : null, outputBytes }
    : undefined

/** What the blocks of this type in a message say. */
const inMessage = <A>(
  { message }: JsonObject,
  type: string,
  decode: (block: JsonObject) => A | undefined,
): ReadonlyArray<A> => {
  const found: Array<A> = []
  const content = isObject(message) ? message.content : undefined
  if (!Array.isArray(content)) return found
  for (const block of content) {
    const decoded = isObject(block) && block.type === type ? decode(block) : undefined
    if (decoded !== undefined) found.push(decoded)
  }
  return found
}

/**
 * Reads one entry of a transcript, as JSON. Fields that are not usable count as absent, and entries of any other type say
 * nothing about calls: the format is Claude Code's own, is not documented, and changes.
 */
export const decodeEntry = (value: unknown): TranscriptEntry => {
  const entry = isObject(value) ? value : {}
  const fields = new OptionalFields()
  const requested = entry.type === "assistant" ? inMessage(entry, "tool_use", (block) => requestedCall(block)) : []
  const results = entry.type === "user" ? inMessage(entry, "tool_result", (block) => callResult(block)) : []
  return {
    sessionId: fields.text(entry, "sessionId"),
    cwd: fields.text(entry, "cwd", LONGEST_PATH),
    millis: requested.length + results.length === 0 ? null : millisOf(entry.timestamp),
    subagent: fields.text(entry, "attributionAgent"),
    requested,
    results,
  }
}

/** A finished call as a transcript shows it. */
export interface TranscriptCall {
  readonly call: OpenCall
  readonly failureKind: FailureKind | null
  readonly outputBytes: number | null
  /** When its result was written, in epoch milliseconds. */
  readonly millis: number
  readonly durationMs: number | null
  /** The working folder of the first entry of its session in this transcript. */
  readonly sessionStart: string | null
}

/** Null if a time is not known, or if they cannot be those of one call. */
const durationBetween = (begun: number | null, ended: number | null): number | null => {
  if (begun === null || ended === null) return null
  const millis = ended - begun
  return millis >= 0 && millis <= LONGEST_DURATION_MILLIS ? millis : null
}

/** The call as what every source turns into. */
export const toToolUse = (finished: TranscriptCall, project: Project | undefined): ToolUse => {
  const { call, failureKind, outputBytes, millis, durationMs } = finished
  return {
    toolName: call.toolName,
    agent: "claude-code",
    sessionId: call.sessionId,
    projectHash: project?.hash ?? null,
    projectRoot: project?.root ?? null,
    success: failureKind === null,
    usedAt: Timestamp.fromEpochMillis(millis),
    toolUseId: call.toolUseId,
    durationMs,
    durationIsEstimated: durationMs !== null,
    subagent: call.subagent,
    target: call.target,
    serverName: extractServerName(call.toolName),
    failureKind,
    source: "transcript",
    inputBytes: call.inputBytes,
    outputBytes,
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
        inputBytes: Schema.NullOr(Schema.Number),
        sessionId: Schema.NullOr(Schema.String),
        millis: Schema.NullOr(Schema.Number),
        subagent: Schema.NullOr(Schema.String),
      }),
    ),
    early: Schema.Array(
      Schema.Struct({
        toolUseId: Schema.String,
        failureKind: Schema.NullOr(FailureKind),
        outputBytes: Schema.NullOr(Schema.Number),
        millis: Schema.NullOr(Schema.Number),
      }),
    ),
  }),
)

type OpenCall = (typeof Carried.Type)["open"][number]
type EarlyResult = (typeof Carried.Type)["early"][number]

/** No more results wait for their calls: the calls of many may be in no transcript. */
const MOST_EARLY = 1000

/**
 * Follows one transcript, entry by entry, and pairs calls with their results. Claude Code writes its lines asynchronously: a
 * result may stand before its call.
 */
export class TranscriptFollower {
  readonly #sessionStarts: Map<string, string>
  readonly #open: Map<string, OpenCall>
  readonly #early: Map<string, EarlyResult>
  /** The type of all subagents that speak, if the entries do not say it. */
  readonly #subagent: string | null

  private constructor({ sessionStarts, open, early }: typeof Carried.Type, subagent: string | null) {
    this.#sessionStarts = new Map(sessionStarts)
    this.#open = new Map(open.map((call) => [call.toolUseId, call]))
    this.#early = new Map(early.map((result) => [result.toolUseId, result]))
    this.#subagent = subagent
  }

  static begin(subagent: string | null): TranscriptFollower {
    return new TranscriptFollower({ sessionStarts: [], open: [], early: [] }, subagent)
  }

  /** Goes on with what another follower carried; none if that cannot be read. */
  static resume(carried: string, subagent: string | null): Option.Option<TranscriptFollower> {
    return Option.map(
      Schema.decodeUnknownOption(Carried)(carried),
      (decoded) => new TranscriptFollower(decoded, subagent),
    )
  }

  /** What the next follower needs, as text. */
  get carried(): string {
    const [open, early] = [[...this.#open.values()], [...this.#early.values()]]
    return JSON.stringify({ sessionStarts: [...this.#sessionStarts], open, early } satisfies typeof Carried.Type)
  }

  /** How many calls have no result yet. */
  get openCalls(): number {
    return this.#open.size
  }

  /** A call is used when its result arrives, as for the hook. It stays open if neither has a time. */
  #finish(call: OpenCall, result: EarlyResult, finished: Array<TranscriptCall>): void {
    const millis = result.millis ?? call.millis
    if (millis === null) return
    this.#open.delete(call.toolUseId)
    this.#early.delete(call.toolUseId)
    const durationMs = durationBetween(call.millis, result.millis)
    const sessionStart = call.sessionId === null ? null : (this.#sessionStarts.get(call.sessionId) ?? null)
    const { failureKind, outputBytes } = result
    finished.push({ call, failureKind, outputBytes, millis, durationMs, sessionStart })
  }

  #wait(result: EarlyResult): void {
    this.#early.set(result.toolUseId, result)
    if (this.#early.size <= MOST_EARLY) return
    const [oldest] = this.#early.keys()
    this.#early.delete(oldest as string)
  }

  /** Takes the next entry, and adds the calls that it finishes. */
  follow(entry: TranscriptEntry, finished: Array<TranscriptCall>): void {
    const { sessionId, cwd, millis } = entry
    if (sessionId !== null && cwd !== null && !this.#sessionStarts.has(sessionId)) {
      this.#sessionStarts.set(sessionId, cwd)
    }
    for (const requested of entry.requested) {
      const call = { ...requested, sessionId, millis, subagent: entry.subagent ?? this.#subagent }
      this.#open.delete(call.toolUseId)
      this.#open.set(call.toolUseId, call)
      const result = this.#early.get(call.toolUseId)
      if (result !== undefined) this.#finish(call, result, finished)
    }
    for (const ended of entry.results) {
      const result = { ...ended, millis }
      const call = this.#open.get(result.toolUseId)
      if (call !== undefined) this.#finish(call, result, finished)
      else this.#wait(result)
    }
  }
}
