import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { fromEpochMillis } from "../../domain/Timestamp.ts"
import type { AgentActivity } from "../../domain/Usage.ts"
import { AgentSettings } from "../../services/AgentSettings.ts"
import { UsageEvents } from "../../services/UsageEvents.ts"
import { type DoctorOptions, examineAtOnce, type Surroundings } from "./doctor.ts"
import { type Check, type LookedAt, lookAtSettings } from "./registrations.ts"

export interface AgentStatus {
  readonly agent: "claude-code"
  /** The agent's own folder, if there is one. */
  readonly folder: Option.Option<string>
  /** The settings files that exist. */
  readonly settings: ReadonlyArray<LookedAt>
  /** Today's calls, and the last. None if nothing is recorded yet, or the store cannot be read. */
  readonly activity: Option.Option<AgentActivity>
}

export interface Status {
  readonly agents: ReadonlyArray<AgentStatus>
  /** The doctor's problems and warnings. */
  readonly complaints: ReadonlyArray<Check>
  readonly skipped: ReadonlyArray<Check>
}

/** The start of today in local time. */
const startOfToday = Effect.map(Clock.currentTimeMillis, (now) => fromEpochMillis(new Date(now).setHours(0, 0, 0, 0)))

const activityOf = (agent: AgentStatus["agent"]) =>
  Effect.gen(function* () {
    const { getActivity } = yield* UsageEvents
    return yield* getActivity(agent, yield* startOfToday)
  })

const claudeCode = ({ store }: DoctorOptions): Effect.Effect<AgentStatus, PersistenceError, AgentSettings> =>
  Effect.gen(function* () {
    const { agentFolder } = yield* AgentSettings
    const looked = yield* lookAtSettings
    return {
      agent: "claude-code",
      folder: yield* agentFolder,
      settings: looked.filter(({ content }) => Either.isLeft(content) || Option.isSome(content.right)),
      activity: yield* activityOf("claude-code").pipe(
        Effect.provide(store),
        // The doctor says why.
        Effect.tapError((error) => Effect.logDebug(error.message)),
        Effect.option,
      ),
    }
  })

/** About what is read through in a second: 45,000 calls. */
const MOST_BYTES = 20_000_000

/** Whether each agent is recorded. */
export const status = (options: DoctorOptions): Effect.Effect<Status, PersistenceError, Surroundings> =>
  Effect.gen(function* () {
    const checks = yield* examineAtOnce(options, MOST_BYTES)
    return {
      agents: [yield* claudeCode(options)],
      complaints: checks.filter(({ status }) => status === "warning" || status === "problem"),
      skipped: checks.filter(({ status }) => status === "skipped"),
    }
  })
