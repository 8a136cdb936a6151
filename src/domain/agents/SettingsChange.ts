import {
  type FoundHandler,
  findHandlers,
  type HookEventName,
  hookEvents,
  isNarrowed,
  type Registration,
  wantedHandler,
} from "./claudeCodeSettings.ts"
import { isObject } from "./payload.ts"

export type JsonPath = ReadonlyArray<string | number>

/** One step of an edit of a JSON text. `set` replaces what is there, or adds a property to an object. */
export type SettingsChange =
  | { readonly kind: "set"; readonly path: JsonPath; readonly value: unknown }
  | { readonly kind: "append"; readonly path: JsonPath; readonly value: unknown }
  | { readonly kind: "remove"; readonly path: JsonPath }

/** Why settings cannot be edited; nothing where they can. */
export const findMisshape = (settings: unknown): string | undefined => {
  if (!isObject(settings)) return "it does not hold an object"
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

interface Group {
  readonly hooks?: unknown
}

/**
 * Takes these handlers out, and what is empty without them: their group, their event, "hooks" itself. Last first, so that
 * the indices of what is still to go stay right.
 */
const removals = (
  settings: unknown,
  handlers: ReadonlyArray<FoundHandler>,
  stays: (path: JsonPath) => boolean,
): ReadonlyArray<SettingsChange> => {
  const hooks = isObject(settings) && isObject(settings.hooks) ? settings.hooks : {}
  const emptied: Array<string> = []
  const inside = [...new Set(handlers.map(({ event }) => event))].flatMap((event) => {
    const groups = hooks[event] as ReadonlyArray<Group>
    const goes = groups.map((_, place) => handlers.filter((each) => each.event === event && each.group === place))
    const isWhole = (place: number) => {
      const held = groups[place]?.hooks
      return goes[place]?.length !== 0 && Array.isArray(held) && held.length === goes[place]?.length
    }
    if (groups.every((_, place) => isWhole(place)) && !stays(["hooks", event])) {
      emptied.push(event)
      return [["hooks", event]]
    }
    return goes
      .flatMap(
        (gone, place): ReadonlyArray<JsonPath> => (isWhole(place) ? [["hooks", event, place]] : gone.map(pathOf)),
      )
      .reverse()
  })
  const hooksGo = emptied.length > 0 && emptied.length === Object.keys(hooks).length && !stays(["hooks"])
  return (hooksGo ? [["hooks"]] : inside).map((path) => ({ kind: "remove", path }))
}

/**
 * What makes settings hold exactly this registration: a handler that is right stays, an older one is replaced where it
 * stands, others of ours go. None where it is all there.
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

/** The events that hooks are listed under, if only in empty lists; null where there is no place for hooks. */
export const listedEvents = (settings: unknown): ReadonlyArray<string> | null =>
  isObject(settings) && isObject(settings.hooks) ? Object.keys(settings.hooks) : null

/** What takes every handler of ours out. `before`: the listed events before tooltrail, which stay though they be empty. */
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

/** Hooks are switched off altogether. */
export const areHooksDisabled = (settings: unknown): boolean => isObject(settings) && settings.disableAllHooks === true
