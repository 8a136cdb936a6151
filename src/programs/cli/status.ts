import * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { fromEpochMillis } from "../../domain/Timestamp.ts"
import { counted, printable } from "../../domain/text.ts"
import type { AgentActivity } from "../../domain/Usage.ts"
import { AgentSettings } from "../../services/AgentSettings.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { examineAtOnce } from "../upkeep/doctor.ts"
import { describeMode, type LookedAt, lookAtSettings } from "../upkeep/registrations.ts"
import { described } from "./command.ts"
import { doctorOptions, renderChecks, Surroundings } from "./doctor.ts"
import { json } from "./options.ts"
import { formatTime } from "./render/charts.ts"
import { type OutputStyle, outputStyle } from "./render/terminal.ts"

interface AgentStatus {
  /** The agent's own folder, if there is one. */
  readonly folder: Option.Option<string>
  readonly settings: ReadonlyArray<LookedAt>
  /** Today's calls, and the last. None if nothing is recorded yet, or the store cannot be read. */
  readonly activity: Option.Option<AgentActivity>
}

const AGENT = "claude-code"

const findActivity = Effect.gen(function* () {
  const { getActivity } = yield* UsageEvents
  const startOfToday = new Date(yield* Clock.currentTimeMillis).setHours(0, 0, 0, 0)
  return yield* getActivity(AGENT, fromEpochMillis(startOfToday))
})

const claudeCode = Effect.gen(function* () {
  const { agentFolder } = yield* AgentSettings
  return {
    folder: yield* agentFolder,
    settings: yield* lookAtSettings,
    activity: yield* findActivity.pipe(
      Effect.provide(doctorOptions.store),
      // The doctor says why.
      Effect.tapError((error) => Effect.logDebug(error.message)),
      Effect.option,
    ),
  }
})

/** About what is read through in a second: 45,000 calls. */
const MOST_BYTES = 20_000_000

/** The settings files that can be read. */
const readable = (settings: ReadonlyArray<LookedAt>) =>
  settings.flatMap(({ file, content }) =>
    Option.toArray(Option.flatten(Either.getRight(content))).map((found) => ({ file, ...found })),
  )

/** Settings files that register the hook. */
const registrationsOf = (settings: ReadonlyArray<LookedAt>) =>
  readable(settings).flatMap(({ file, registered }) => Option.toArray(registered).map((found) => ({ file, found })))

/** Where the plugin is enabled. */
const pluginsOf = (settings: ReadonlyArray<LookedAt>) =>
  readable(settings).flatMap(({ file, plugins }) => plugins.map((id) => ({ file, id })))

const agentToJson = ({ folder, settings, activity }: AgentStatus) => {
  const registrations = registrationsOf(settings)
  const plugins = pluginsOf(settings)
  return {
    agent: AGENT,
    found: Option.isSome(folder),
    folder: Option.getOrNull(folder),
    installed: registrations.length > 0 || plugins.length > 0,
    registrations: registrations.map(({ file, found }) => ({
      ...file,
      mode: found.mode,
      async: found.isAsync,
      events: found.events,
      command: found.command ?? null,
      url: found.url ?? null,
    })),
    plugins: plugins.map(({ file, id }) => ({ ...file, id })),
    last_call: Option.match(activity, { onNone: () => null, onSome: ({ last_call }) => last_call }),
    calls_today: Option.match(activity, { onNone: () => null, onSome: ({ calls }) => calls }),
  }
}

const renderAgent = ({ folder, settings, activity }: AgentStatus, { colors }: OutputStyle, now: number) => {
  const places = [
    ...registrationsOf(settings).map(({ file, found }) => `${file.scope}: ${file.path}, ${describeMode(found)}`),
    ...pluginsOf(settings).map(({ file, id }) => `${file.scope}: ${file.path}, by the plugin ${id}`),
  ]
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["found", Option.match(folder, { onNone: () => "no", onSome: (path) => path })],
    ...(places.length === 0 ? [["installed", "no; `tooltrail install` does it"] as const] : []),
    ...places.map((place, index) => [index === 0 ? "installed" : "", place] as const),
    ...Option.match(activity, {
      onNone: () => [["last call", "nothing recorded yet"] as const],
      onSome: ({ last_call, calls }) => [
        ["last call", last_call === null ? "none" : formatTime(last_call, { now, utc: false })] as const,
        ["today", counted(calls, "call")] as const,
      ],
    }),
  ]
  return [
    colors.bold("Claude Code"),
    ...rows.map(([title, text]) => `  ${colors.dim(title.padEnd("installed".length))}  ${printable(text)}`),
  ].join("\n")
}

export const status = Command.make("status", { json }, ({ json }) =>
  Effect.gen(function* () {
    const checks = yield* examineAtOnce(doctorOptions, MOST_BYTES)
    const agent = yield* claudeCode
    const complaints = checks.filter(({ status }) => status === "warning" || status === "problem")
    const skipped = checks.filter(({ status }) => status === "skipped")
    if (json) return yield* Console.log(JSON.stringify({ agents: [agentToJson(agent)], complaints, skipped }))
    const style = yield* outputStyle
    const parts = [
      renderAgent(agent, style, yield* Clock.currentTimeMillis),
      complaints.length === 0 ? "No problems found." : renderChecks(complaints, style),
      ...(skipped.length === 0 ? [] : [renderChecks(skipped, style)]),
    ]
    yield* Console.log(parts.join("\n\n"))
  }).pipe(Effect.provide(Surroundings)),
).pipe(
  described(
    "Shows which agents are found, where the hook is registered and how, the last call, and the problems that `tooltrail doctor` finds.",
    "tooltrail status",
  ),
)
