import * as Data from "effect/Data"
import { isObject, type JsonObject } from "./payload.ts"

/** An agent's settings file that cannot be read or edited. Nothing was changed in it. */
export class UnusableSettings extends Data.TaggedError("UnusableSettings")<{
  readonly path: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.path} was not changed: ${this.reason}`
  }
}

/** The hook's program could not be run to its end. */
export class HookNotRunnable extends Data.TaggedError("HookNotRunnable")<{
  readonly program: string
  readonly reason: string
}> {
  override get message(): string {
    return `could not run the hook ${this.program}: ${this.reason}`
  }
}

/** The first Claude Code that starts a hook's program with its `args`. Older ones ignore them. */
export const OLDEST_VERSION = "2.1.139"

/** The installed agent is too old for the hook. */
export class AgentTooOld extends Data.TaggedError("AgentTooOld")<{ readonly version: string }> {
  override get message(): string {
    return `Claude Code ${this.version} is too old: tooltrail needs ${OLDEST_VERSION} or later; run \`claude update\`, then install again`
  }
}

export const isTooOld = (version: string): boolean => version.localeCompare(OLDEST_VERSION, "en", { numeric: true }) < 0

/** The events that tooltrail is registered for: each call, and the two moments to reconcile transcripts. */
export const hookEvents = ["PostToolUse", "PostToolUseFailure", "SessionStart", "SessionEnd"] as const

export type HookEventName = (typeof hookEvents)[number]

/** A program and its arguments, started without a shell. */
export interface HookCommand {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** How tooltrail is to be registered in the settings. */
export interface Registration {
  readonly command: HookCommand
  /** The agent does not wait for the hook. */
  readonly isAsync: boolean
  /** The server that takes the calls instead of the command. */
  readonly endpoint: { readonly port: number; readonly token: string } | undefined
}

/** A variable that makes every start of Node 20 some 40 ms slower. */
export const CERTIFICATES_VARIABLE = "NODE_EXTRA_CA_CERTS"

/** Starts the program in its arguments without that variable. Without arguments it does nothing. */
export const LAUNCHER = "tooltrail-hook.sh"

export const DEFAULT_PORT = 4717

const TIMEOUT_SECONDS = 10

/** Claude Code posts no SessionStart, so a session's events always start the command. */
const isCall = (event: HookEventName) => event === "PostToolUse" || event === "PostToolUseFailure"

/** The handler of an event. */
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

/** The words of a shell's command line; none if the shell would do more than split it. */
const splitWords = (line: string): ReadonlyArray<string> => {
  const words = line.match(/"[^"$`\\]*"|'[^']*'|[^\s"'$`;&|<>()\\]+/g) ?? []
  const isPlain = words.join("") === line.replace(/\s/g, "") || words.join(" ") === line.trim()
  return isPlain ? words.map((word) => word.replace(/^(["'])(.*)\1$/, "$2")) : []
}

const isProgram = (word: string) => /^tooltrail-hook(\.cjs|\.cmd)?$/.test(lastSegment(word))
const isCommandLine = (word: string) => /^tooltrail(\.cjs|\.cmd)?$/.test(lastSegment(word))

const wordsOf = (handler: JsonObject): ReadonlyArray<string> => {
  const { command, args } = handler
  if (typeof command !== "string") return []
  if (args === undefined) return splitWords(command)
  return Array.isArray(args) && args.every((arg) => typeof arg === "string") ? [command, ...args] : []
}

/** These start the hook and nothing else: `tooltrail-hook` and `tooltrail hook`, with or without `node` and its options. */
const startsTheHook = (handler: JsonObject): boolean => {
  const [first = "", ...others] = wordsOf(handler)
  const words = lastSegment(first) === LAUNCHER ? others : [first, ...others]
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

/** Whether some tooltrail registered this handler. One that only looks similar belongs to somebody else. */
export const isOurs = (handler: unknown, token: string | undefined): handler is JsonObject => {
  if (!isObject(handler)) return false
  if (handler.type === "command") return startsTheHook(handler)
  if (handler.type !== "http") return false
  const endpoint = endpointOf(handler)
  return endpoint !== undefined && (endpoint.token === token || endpoint.port === DEFAULT_PORT)
}

/** A handler of ours, at `hooks[event][group].hooks[index]`. */
export interface FoundHandler {
  readonly event: string
  readonly group: number
  readonly index: number
  readonly handler: JsonObject
  /** The tools that its group is for: all if it is missing, empty or `*`. */
  readonly matcher: unknown
}

const isForAllTools = (matcher: unknown) => matcher === undefined || matcher === "" || matcher === "*"

/** It runs for some calls only. */
export const isNarrowed = ({ handler, matcher }: FoundHandler): boolean =>
  handler.if !== undefined || !isForAllTools(matcher)

const items = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const findHandlers = (settings: unknown, token: string | undefined): ReadonlyArray<FoundHandler> =>
  Object.entries(isObject(settings) && isObject(settings.hooks) ? settings.hooks : {}).flatMap(([event, groups]) =>
    items(groups).flatMap((group, groupIndex) =>
      (isObject(group) ? items(group.hooks) : []).flatMap((handler, index) =>
        isOurs(handler, token)
          ? [{ event, group: groupIndex, index, handler, matcher: isObject(group) ? group.matcher : undefined }]
          : [],
      ),
    ),
  )

/** How tooltrail is registered in a settings file. */
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

/** The registration for all calls or sessions; undefined if no handler is for all. */
export const describeRegistration = (found: ReadonlyArray<FoundHandler>): Registered | undefined => {
  const general = found.filter((each) => !isNarrowed(each))
  if (general.length === 0) return undefined
  const endpoint = general.map(({ handler }) => endpointOf(handler)).find((found) => found !== undefined)
  const commands = general.filter(({ handler }) => handler.type === "command")
  const [command, ...args] = commands.map(({ handler }) => wordsOf(handler)).at(0) ?? []
  return {
    mode: endpoint === undefined ? "hook" : "http",
    isAsync: commands.some(({ handler }) => handler.async === true),
    events: hookEvents.filter((event) => general.some((each) => each.event === event)),
    command: command === undefined ? undefined : { command, args },
    url: endpoint?.url,
    token: endpoint?.token,
  }
}

/** The files that a registered command needs: its program, and the paths among its arguments. */
export const filesOf = ({ command, args }: HookCommand): ReadonlyArray<string> =>
  [command, ...args].filter((word) => /^([/\\]|[A-Za-z]:[/\\])/.test(word))

export type JsonPath = ReadonlyArray<string | number>

/** One step of an edit of a JSON text. `set` replaces what is there, or adds a property to an object. */
export type SettingsChange =
  | { readonly kind: "set"; readonly path: JsonPath; readonly value: unknown }
  | { readonly kind: "append"; readonly path: JsonPath; readonly value: unknown }
  | { readonly kind: "remove"; readonly path: JsonPath }

/** Why settings cannot be edited; undefined if they can. */
export const findMisshape = (settings: unknown): string | undefined => {
  if (!isObject(settings)) return "it is not an object"
  const { hooks } = settings
  if (hooks === undefined) return undefined
  if (!isObject(hooks)) return `its "hooks" is not an object`
  const event = hookEvents.find((name) => hooks[name] !== undefined && !Array.isArray(hooks[name]))
  return event === undefined ? undefined : `its "hooks.${event}" is not a list`
}

const sameJson = (a: unknown, b: unknown): boolean => {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return a === b
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
}

const pathOf = ({ event, group, index }: FoundHandler): JsonPath => ["hooks", event, group, "hooks", index]

/**
 * Removes handlers, and what is empty without them: their group, their event, "hooks" itself. It goes from last to first, so
 * that the indices before stay valid.
 */
const removals = (
  settings: unknown,
  handlers: ReadonlyArray<FoundHandler>,
  stays: (path: JsonPath) => boolean,
): ReadonlyArray<SettingsChange> => {
  const hooks = isObject(settings) && isObject(settings.hooks) ? settings.hooks : {}
  const emptied: Array<string> = []
  const inside = [...new Set(handlers.map(({ event }) => event))].flatMap((event) => {
    const groups = hooks[event] as ReadonlyArray<{ readonly hooks?: unknown } | undefined>
    const removed = groups.map((_, place) => handlers.filter((each) => each.event === event && each.group === place))
    const isWhole = (place: number) => {
      const held = groups[place]?.hooks
      return removed[place]?.length !== 0 && Array.isArray(held) && held.length === removed[place]?.length
    }
    if (groups.every((_, place) => isWhole(place)) && !stays(["hooks", event])) {
      emptied.push(event)
      return [["hooks", event]]
    }
    return removed
      .flatMap(
        (gone, place): ReadonlyArray<JsonPath> => (isWhole(place) ? [["hooks", event, place]] : gone.map(pathOf)),
      )
      .reverse()
  })
  const hooksGo = emptied.length > 0 && emptied.length === Object.keys(hooks).length && !stays(["hooks"])
  return (hooksGo ? [["hooks"]] : inside).map((path) => ({ kind: "remove", path }))
}

/**
 * The changes after which settings hold exactly this registration. A correct handler stays, an older one is replaced in place,
 * other handlers of ours go.
 */
export const changesToRegister = (
  settings: unknown,
  registration: Registration,
  token: string | undefined,
): ReadonlyArray<SettingsChange> => {
  const wanted = (event: HookEventName) => wantedHandler(event, registration)
  const group = (event: HookEventName) => ({ hooks: [wanted(event)] })
  const hooks = isObject(settings) ? settings.hooks : undefined
  if (!isObject(hooks)) {
    return [
      { kind: "set", path: ["hooks"], value: Object.fromEntries(hookEvents.map((event) => [event, [group(event)]])) },
    ]
  }
  const found = findHandlers(settings, token)
  const kept = hookEvents.flatMap((event) => {
    const handler = found.find((each) => each.event === event && !isNarrowed(each))
    return handler === undefined ? [] : [{ event, handler }]
  })
  const missing = hookEvents.filter((event) => !kept.some((each) => each.event === event))
  const surplus = found.filter((each) => !kept.some(({ handler }) => handler === each))
  return [
    ...kept.flatMap(
      ({ event, handler }): ReadonlyArray<SettingsChange> =>
        sameJson(handler.handler, wanted(event)) ? [] : [{ kind: "set", path: pathOf(handler), value: wanted(event) }],
    ),
    ...removals(settings, surplus, (path) => path.length === 1 || missing.some((event) => event === path[1])),
    ...missing.map(
      (event): SettingsChange =>
        hooks[event] === undefined
          ? { kind: "set", path: ["hooks", event], value: [group(event)] }
          : { kind: "append", path: ["hooks", event], value: group(event) },
    ),
  ]
}

/** The events under "hooks", even those with empty lists; null without "hooks". */
export const listedEvents = (settings: unknown): ReadonlyArray<string> | null =>
  isObject(settings) && isObject(settings.hooks) ? Object.keys(settings.hooks) : null

/** The changes that remove every handler of ours. `before`: the events listed before tooltrail, which stay even if empty. */
export const changesToUnregister = (
  settings: unknown,
  token: string | undefined,
  before: ReadonlyArray<string> | null,
): ReadonlyArray<SettingsChange> =>
  removals(settings, findHandlers(settings, token), ([, event]) =>
    event === undefined ? before !== null : before?.includes(String(event)) === true,
  )

/** The plugin's names under "enabledPlugins": `tooltrail@<marketplace>`. */
export const enabledPlugins = (settings: unknown): ReadonlyArray<string> =>
  isObject(settings) && isObject(settings.enabledPlugins)
    ? Object.entries(settings.enabledPlugins).flatMap(([id, isOn]) =>
        isOn === true && id.startsWith("tooltrail@") ? [id] : [],
      )
    : []

/** All hooks are switched off. */
export const areHooksDisabled = (settings: unknown): boolean => isObject(settings) && settings.disableAllHooks === true
