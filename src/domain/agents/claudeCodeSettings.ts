import { isObject, type JsonObject } from "./payload.ts"

/** The events of Claude Code that tooltrail is registered for: each call, and the two moments to reconcile transcripts. */
export const hookEvents = ["PostToolUse", "PostToolUseFailure", "SessionStart", "SessionEnd"] as const

export type HookEventName = (typeof hookEvents)[number]

/** A program and its arguments, started without a shell. */
export interface HookCommand {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** What is to stand in an agent's settings. */
export interface Registration {
  readonly command: HookCommand
  /** The agent does not wait for the hook. */
  readonly isAsync: boolean
  /** The server that takes the calls in the command's place. */
  readonly endpoint: { readonly port: number; readonly token: string } | undefined
}

/** The one variable that makes Node slow to start; see `HookCost`. */
export const CERTIFICATES_VARIABLE = "NODE_EXTRA_CA_CERTS"

export const DEFAULT_PORT = 4717

const TIMEOUT_SECONDS = 10

/** Claude Code runs no HTTP hook for SessionStart, and the server does not reconcile, so the session's events start the command. */
const isCall = (event: HookEventName) => event === "PostToolUse" || event === "PostToolUseFailure"

/** The handler that is to stand under an event. */
export const wantedHandler = (event: HookEventName, { command, isAsync, endpoint }: Registration): JsonObject =>
  endpoint !== undefined && isCall(event)
    ? {
        type: "http",
        url: `http://127.0.0.1:${endpoint.port}/hook`,
        headers: { Authorization: `Bearer ${endpoint.token}` },
        timeout: TIMEOUT_SECONDS,
      }
    : { type: "command", ...command, timeout: TIMEOUT_SECONDS, ...(isAsync ? { async: true } : {}) }

const lastSegment = (path: string) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)

/** The words of a command line for a shell; none where the shell would do more with it than split it. */
const splitWords = (line: string): ReadonlyArray<string> => {
  const words = line.match(/"[^"$`\\]*"|'[^']*'|[^\s"'$`;&|<>()\\]+/g) ?? []
  const isPlain = words.join("") === line.replace(/\s/g, "") || words.join(" ") === line.trim()
  return isPlain ? words.map((word) => word.replace(/^(["'])(.*)\1$/, "$2")) : []
}

const withoutVariable = (words: ReadonlyArray<string>) => {
  const [program = "", option, name] = words
  return lastSegment(program) === "env" && option === "-u" && name === CERTIFICATES_VARIABLE ? words.slice(3) : words
}

const isProgram = (word: string) => /^tooltrail-hook(\.cjs|\.cmd)?$/.test(lastSegment(word))
const isCommandLine = (word: string) => /^tooltrail(\.cjs|\.cmd)?$/.test(lastSegment(word))

const wordsOf = (handler: JsonObject): ReadonlyArray<string> => {
  const { command, args } = handler
  if (typeof command !== "string") return []
  if (args === undefined) return splitWords(command)
  return Array.isArray(args) && args.every((arg) => typeof arg === "string") ? [command, ...args] : []
}

/** Only these start nothing but the hook: `tooltrail-hook` and `tooltrail hook`, behind `node` and its options or not. */
const startsTheHook = (handler: JsonObject): boolean => {
  const words = withoutVariable(wordsOf(handler))
  const script = words.findIndex((word, place) => place > 0 && !word.startsWith("-"))
  return [words, script > 0 && words[script]?.endsWith(".cjs") ? words.slice(script) : []].some(
    ([program = "", ...rest]) =>
      (isProgram(program) && rest.length === 0) || (isCommandLine(program) && rest.length === 1 && rest[0] === "hook"),
  )
}

interface Endpoint {
  readonly url: string
  readonly port: number
  readonly token: string
}

const endpointOf = (handler: JsonObject): Endpoint | undefined => {
  const { url, headers } = handler
  if (typeof url !== "string" || !isObject(headers)) return undefined
  const port = /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})\/hook$/.exec(url)?.[1]
  const [, authorization] = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization") ?? []
  const token = typeof authorization === "string" ? /^Bearer ([0-9a-f]{64})$/.exec(authorization)?.[1] : undefined
  return port === undefined || token === undefined ? undefined : { url, port: Number(port), token }
}

/** Whether a handler is one that some tooltrail registered. What only looks alike belongs to somebody else. */
export const isOurs = (handler: unknown, token: string | undefined): handler is JsonObject => {
  if (!isObject(handler)) return false
  if (handler.type === "command") return startsTheHook(handler)
  if (handler.type !== "http") return false
  const endpoint = endpointOf(handler)
  return endpoint !== undefined && (endpoint.token === token || endpoint.port === DEFAULT_PORT)
}

/** A handler of ours, and where it stands: `hooks[event][group].hooks[index]`. */
export interface FoundHandler {
  readonly event: string
  readonly group: number
  readonly index: number
  readonly handler: JsonObject
  /** Which tools its group is for, as it stands there; all where it is left out, empty or `*`. */
  readonly matcher: unknown
}

const isForAllTools = (matcher: unknown) => matcher === undefined || matcher === "" || matcher === "*"

/** It is run for some calls only. */
export const isNarrowed = ({ handler, matcher }: FoundHandler): boolean =>
  handler.if !== undefined || !isForAllTools(matcher)

const items = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const findHandlers = (settings: unknown, token: string | undefined): ReadonlyArray<FoundHandler> =>
  Object.entries(isObject(settings) && isObject(settings.hooks) ? settings.hooks : {}).flatMap(([event, groups]) =>
    items(groups).flatMap((group, groupIndex) =>
      (isObject(group) ? items(group.hooks) : []).flatMap((handler, index) =>
        isOurs(handler, token)
          ? [
              {
                event,
                group: groupIndex,
                index,
                handler,
                matcher: isObject(group) ? group.matcher : undefined,
              },
            ]
          : [],
      ),
    ),
  )

/** How an agent's settings have tooltrail registered. */
export interface Registered {
  readonly mode: "hook" | "http"
  readonly isAsync: boolean
  /** The events that it is registered for without a matcher. */
  readonly events: ReadonlyArray<HookEventName>
  /** The first command that is registered. */
  readonly command: HookCommand | undefined
  readonly url: string | undefined
  readonly token: string | undefined
}

/** What is registered for all calls or sessions; nothing where none of the handlers is. */
export const describeRegistration = (found: ReadonlyArray<FoundHandler>): Registered | undefined => {
  const heard = found.filter((each) => !isNarrowed(each))
  if (heard.length === 0) return undefined
  const endpoint = heard.map(({ handler }) => endpointOf(handler)).find((found) => found !== undefined)
  const commands = heard.filter(({ handler }) => handler.type === "command")
  const [command, ...args] = commands.map(({ handler }) => wordsOf(handler)).at(0) ?? []
  return {
    mode: endpoint === undefined ? "hook" : "http",
    isAsync: commands.some(({ handler }) => handler.async === true),
    events: hookEvents.filter((event) => heard.some((each) => each.event === event)),
    command: command === undefined ? undefined : { command, args },
    url: endpoint?.url,
    token: endpoint?.token,
  }
}

/** The parts of a registered command that must exist as files: what it starts, and the paths it is given. */
export const filesOf = ({ command, args }: HookCommand): ReadonlyArray<string> =>
  [command, ...args].filter((word) => /^([/\\]|[A-Za-z]:[/\\])/.test(word))
