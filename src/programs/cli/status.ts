import * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { counted, printable } from "../../domain/text.ts"
import { describeMode, type LookedAt } from "../upkeep/registrations.ts"
import { type AgentStatus, status as findStatus, type Status } from "../upkeep/status.ts"
import { described } from "./command.ts"
import { doctorOptions, renderChecks, Surroundings } from "./doctor.ts"
import { json } from "./options.ts"
import { formatTime } from "./render/charts.ts"
import { type OutputStyle, outputStyle } from "./render/terminal.ts"

/** Where the hook is registered. */
const registrationsOf = (settings: ReadonlyArray<LookedAt>) =>
  settings.flatMap(({ file, content }) =>
    Option.toArray(Option.flatten(Either.getRight(content))).flatMap(({ registered }) =>
      Option.toArray(registered).map((found) => ({ file, found })),
    ),
  )

/** Where the plugin is enabled. */
const pluginsOf = (settings: ReadonlyArray<LookedAt>) =>
  settings.flatMap(({ file, content }) =>
    Option.toArray(Option.flatten(Either.getRight(content))).flatMap(({ plugins }) =>
      plugins.map((id) => ({ file, id })),
    ),
  )

const agentToJson = ({ agent, folder, settings, activity }: AgentStatus) => {
  const registrations = registrationsOf(settings)
  const plugins = pluginsOf(settings)
  return {
    agent,
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

const render = ({ agents, complaints, skipped }: Status, style: OutputStyle, now: number) =>
  [
    ...agents.map((agent) => renderAgent(agent, style, now)),
    complaints.length === 0 ? "No problems found." : renderChecks(complaints, style),
    ...(skipped.length === 0 ? [] : [renderChecks(skipped, style)]),
  ].join("\n\n")

export const status = Command.make("status", { json }, ({ json }) =>
  Effect.gen(function* () {
    const found = yield* findStatus(doctorOptions)
    yield* Console.log(
      json
        ? JSON.stringify({
            agents: found.agents.map(agentToJson),
            complaints: found.complaints,
            skipped: found.skipped,
          })
        : render(found, yield* outputStyle, yield* Clock.currentTimeMillis),
    )
  }).pipe(Effect.provide(Surroundings)),
).pipe(
  described(
    "Shows which agents are found, where and how the hook is registered, the last call, and the problems that doctor finds.",
    "tooltrail status",
  ),
)
