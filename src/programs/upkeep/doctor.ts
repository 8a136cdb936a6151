import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { HookCommand } from "../../domain/agents/claudeCodeSettings.ts"
import { AllProjects } from "../../domain/Project.ts"
import type { PersistenceError } from "../../domain/StoreError.ts"
import type { StoreMissing } from "../../domain/StoreMissing.ts"
import { format } from "../../domain/TimeWindow.ts"
import type { RegistryDrift } from "../../domain/Tool.ts"
import { counted } from "../../domain/text.ts"
import { readConfiguration } from "../../layers/files/readConfiguration.ts"
import type { Store } from "../../layers/store/Store.ts"
import type { AgentSettings } from "../../services/AgentSettings.ts"
import { Home } from "../../services/Home.ts"
import { HomeFiles } from "../../services/HomeFiles.ts"
import { HookCost } from "../../services/HookCost.ts"
import { Retention } from "../../services/Retention.ts"
import { Spool } from "../../services/Spool.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { UsageRollups } from "../../services/StoreUpkeep.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { drainSpool, keepReserve } from "../record/spool.ts"
import { type Check, check } from "./check.ts"
import { findLostSpace } from "./lostSpace.ts"
import { fillRollups } from "./prune.ts"
import { checkRegistration, findUserCommand } from "./registrations.ts"

export interface DoctorOptions {
  readonly version: string
  /** The hook as it would be registered here. */
  readonly hook: Effect.Effect<HookCommand, PersistenceError>
  /** Opens the store; a repair may make one for spooled calls. It is not used where the store is damaged, or, without a repair, missing or of an older schema. */
  readonly store: Layer.Layer<Store, PersistenceError | StoreMissing>
  /** What helps a damaged store, as a part of a sentence. */
  readonly howToRestore: Effect.Effect<string, never, Home | StoreFile>
  /** Says it of an error that speaks of a damaged store; leaves others as they are. */
  readonly explainDamage: (error: PersistenceError) => Effect.Effect<PersistenceError, never, Home | StoreFile>
}

export type Surroundings = AgentSettings | Home | HomeFiles | Spool | StoreFile

const OLDEST_NODE = [20, 19] as const
const SLOW_HOOK_MILLIS = 300

/** A hook that runs just now has written its event and not yet the aggregate. */
const SETTLING = "300 millis"

/** A check that cannot be made is a problem. */
const orProblem =
  (name: string) =>
  <R>(effect: Effect.Effect<ReadonlyArray<Check>, { readonly message: string }, R>) =>
    Effect.catchAll(effect, (error) => Effect.succeed([check(name, "problem")(error.message)]))

const checkVersions = (version: string) =>
  Effect.sync(() => {
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
    const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
    const advice = isOld ? `; it needs Node ${OLDEST_NODE.join(".")} or newer` : ""
    return [
      check("versions", isOld ? "problem" : "ok")(`tooltrail ${version} on Node ${process.versions.node}${advice}`),
    ]
  })

const checkPermissions = Effect.gen(function* () {
  const files = yield* HomeFiles
  const loose = yield* files.findLoose
  const [first] = loose
  if (first === undefined) return [check("permissions", "ok")("only you can read what tooltrail keeps")]
  const which = `${first.path} has mode ${first.mode.toString(8)}, it should have ${first.wanted.toString(8)}`
  const others = loose.length > 1 ? `, and ${loose.length - 1} more` : ""
  return [
    check("permissions", "problem")(`others may read what tooltrail keeps: ${which}${others}; --repair closes it`),
  ]
}).pipe(orProblem("permissions"))

const checkSpool = Effect.gen(function* () {
  const spool = yield* Spool
  const waiting = (yield* spool.list).length
  const aside = (yield* spool.listAside).length
  return [
    waiting === 0
      ? check("spool", "ok")("no call waits to be stored")
      : check("spool", "warning")(`${counted(waiting, "call")} to be stored by the next hook, query or --repair`),
    ...(aside === 0
      ? []
      : [
          check(
            "set aside",
            "problem",
          )(
            `${counted(aside, "spooled call")} could not be read or stored; look at ${(yield* Home).spool}/unreadable and remove what is of no use`,
          ),
        ]),
  ]
}).pipe(orProblem("spool"))

const checkDrafts = Effect.gen(function* () {
  const { findDrafts } = yield* HomeFiles
  const { listDrafts } = yield* Spool
  const drafts = (yield* findDrafts).length + (yield* listDrafts).length
  return [
    drafts === 0
      ? check("drafts", "ok")("no process left a half-written file behind")
      : check(
          "drafts",
          "warning",
        )(`${counted(drafts, "half-written file")} of killed processes; --repair clears them up`),
  ]
}).pipe(orProblem("drafts"))

const checkConfiguration = Effect.gen(function* () {
  const { retention } = yield* readConfiguration
  const pruning = Option.match(retention, {
    onNone: () => "calls are kept until you prune them",
    onSome: (age) => `calls are pruned when they are older than ${format(age)}`,
  })
  return [check("config", "ok")(pruning)]
}).pipe(orProblem("config"))

const sameRow = (a: RegistryDrift, b: RegistryDrift) => a.name === b.name && a.project_hash === b.project_hash

const findLastingDrift = Effect.gen(function* () {
  const { findDrift } = yield* ToolRegistry
  const first = yield* findDrift
  if (first.length === 0) return first
  yield* Effect.sleep(SETTLING)
  return (yield* findDrift).filter((row) => first.some((earlier) => sameRow(earlier, row)))
})

const MEGABYTE = 1_000_000

const inMegabytes = (bytes: number) => `${Math.round(bytes / MEGABYTE)} MB`

const checkSums = Effect.gen(function* () {
  const { countUnfilled, findDrift } = yield* UsageRollups
  const [first, ...others] = yield* findDrift
  if (first === undefined) {
    const unfilled = yield* countUnfilled
    return unfilled === 0
      ? check("sums", "ok")("every day's and hour's sum is what its calls add up to")
      : check(
          "sums",
          "warning",
        )(
          `${counted(unfilled, "call")} to be added to them by the next reconcile or --repair; until then questions take longer`,
        )
  }
  const sums = `${first.uses ?? "no"} calls of ${first.tool_name} in ${first.period} (UTC), where there are ${first.expected_uses}`
  const more = others.length > 0 ? `, and ${counted(others.length, "more sum")}` : ""
  return check("sums", "problem")(`the sums have ${sums}${more}; --repair adds up anew`)
})

/** By the aggregate, which knows the last use of each tool, pruned or not. */
const checkLastCall = Effect.gen(function* () {
  const registry = yield* ToolRegistry
  const used = (yield* registry.getAvailableForSession(AllProjects)).flatMap(({ name, last_used_at }) =>
    last_used_at === null ? [] : [{ name, last_used_at }],
  )
  const [newest] = used.sort((a, b) => (a.last_used_at < b.last_used_at ? 1 : -1))
  return newest === undefined
    ? check("last call", "warning")("the store holds no call")
    : check("last call", "ok")(`${newest.name}, ${newest.last_used_at} UTC`)
})

const checkSpace = Effect.gen(function* () {
  const lost = yield* findLostSpace
  return lost === 0
    ? check("space", "ok")("the store's file keeps no space that it has no use for")
    : check(
        "space",
        "warning",
      )(
        `an older tooltrail made the store's file, which cannot give back ${inMegabytes(lost)} that are unused; --repair writes it anew`,
      )
})

const checkCounts = Effect.gen(function* () {
  const [first, ...others] = yield* findLastingDrift
  const more = others.length > 0 ? `, and ${counted(others.length, "more tool")}` : ""
  return first === undefined
    ? check("counts", "ok")("every tool's count is what its calls add up to")
    : check(
        "counts",
        "problem",
      )(
        `${first.name} counts ${first.usage_count ?? "nothing"}, its calls add up to ${first.expected_count}${more}; --repair counts anew`,
      )
})

const checkContent = Effect.all([checkCounts, checkSums, checkSpace, checkLastCall])

const checkStore = ({ store, howToRestore, explainDamage }: DoctorOptions, mostBytes: number) =>
  Effect.gen(function* () {
    const { identify, inspect } = yield* StoreFile
    const { bytes, schema, programSchema } = yield* identify
    const isSkipped = bytes > mostBytes
    const [finding] = isSkipped ? [] : (yield* inspect).damage
    const unproved = `to go through ${inMegabytes(bytes)} takes a while; \`tooltrail doctor\` does`
    const skip = (name: string) => check(name, "skipped")(unproved)
    const integrity = isSkipped
      ? skip("integrity")
      : finding === undefined
        ? check("integrity", "ok")("the database finds nothing wrong with itself")
        : check("integrity", "problem")(`the store is damaged: ${finding}; ${yield* howToRestore}`)
    if (schema > programSchema) {
      const advice = `the store has schema ${schema}, this program knows up to ${programSchema}; update tooltrail`
      return [check("schema", "problem")(advice), integrity]
    }
    if (schema < programSchema) {
      const advice = `schema ${schema}; the next hook or query brings it to ${programSchema}`
      return [check("schema", "ok")(advice), integrity]
    }
    const whole = isSkipped
      ? Effect.map(Effect.all([checkSpace, checkLastCall]), (quick) => [skip("counts"), skip("sums"), ...quick])
      : checkContent
    const content = finding === undefined ? yield* Effect.provide(whole, store) : []
    return [check("schema", "ok")(`schema ${schema}, which is this program's`), integrity, ...content]
  }).pipe(
    Effect.catchTag("StoreMissing", () => Effect.succeed([check("last call", "ok")("nothing recorded yet")])),
    Effect.catchTag("PersistenceError", (error) =>
      Effect.map(explainDamage(error), ({ message }) => [check("integrity", "problem")(message)]),
    ),
  )

/** The registered command, where one is registered that can be run. */
const checkHook = ({ hook }: DoctorOptions) =>
  Effect.gen(function* () {
    const { measure } = yield* HookCost
    const registered = yield* findUserCommand
    const { hookMillis, nodeMillis, causes } = yield* measure(
      Option.isSome(registered) ? registered.value : yield* hook,
    )
    const times = `the hook takes ${Math.round(hookMillis)} ms a call, Node alone ${Math.round(nodeMillis)} ms (× ${(hookMillis / nodeMillis).toFixed(1)})`
    const status = causes.length > 0 || hookMillis > SLOW_HOOK_MILLIS ? "warning" : "ok"
    return [check("hook", status)([times, ...causes].join("; "))]
  }).pipe(orProblem("hook"))

/**
 * Looks at everything but the hook's cost, which takes a while to measure; changes nothing. A store of more than `mostBytes`
 * is not gone through.
 */
export const examineAtOnce = (
  options: DoctorOptions,
  mostBytes: number = Number.POSITIVE_INFINITY,
): Effect.Effect<ReadonlyArray<Check>, never, Surroundings> =>
  Effect.gen(function* () {
    const home = yield* Home
    return [
      ...(yield* checkVersions(options.version)),
      check("store", "ok")(home.database),
      ...(yield* checkPermissions),
      ...(yield* checkConfiguration),
      ...(yield* checkStore(options, mostBytes)),
      ...(yield* checkSpool),
      ...(yield* checkDrafts),
      ...(yield* orProblem("registered")(checkRegistration)),
    ]
  })

/** Looks at everything and changes nothing. */
export const examine = (options: DoctorOptions): Effect.Effect<ReadonlyArray<Check>, never, Surroundings | HookCost> =>
  Effect.zipWith(examineAtOnce(options), checkHook(options), (checks, hook) => [...checks, ...hook])

const repaired = check("repair", "ok")

const closeToOthers = Effect.gen(function* () {
  const files = yield* HomeFiles
  const loose = yield* files.findLoose
  yield* Effect.forEach(loose, files.tighten, { discard: true })
  return loose.length === 0 ? [] : [repaired(`closed ${counted(loose.length, "path")} to others`)]
})

const clearDrafts = Effect.gen(function* () {
  const files = yield* HomeFiles
  const spool = yield* Spool
  const drafts = yield* files.findDrafts
  yield* Effect.forEach(drafts, files.removeDraft, { discard: true })
  const outcomes = yield* Effect.forEach(yield* spool.listDrafts, spool.settleDraft)
  const recovered = outcomes.filter((outcome) => outcome === "recovered").length
  const removed = drafts.length + outcomes.length - recovered
  return [
    ...(removed === 0 ? [] : [repaired(`removed ${counted(removed, "half-written file")}`)]),
    ...(recovered === 0 ? [] : [repaired(`took ${counted(recovered, "whole call")} from half-made spool files`)]),
  ]
})

/** What is owed to the aggregate only is in the spool, so that comes first. */
const settleStore = Effect.gen(function* () {
  const registry = yield* ToolRegistry
  const drained = yield* drainSpool()
  yield* keepReserve
  const mended = (yield* findLastingDrift).length === 0 ? [] : yield* registry.rebuild
  const rollups = yield* UsageRollups
  const sums = yield* rollups.findDrift
  const unfilled = yield* rollups.countUnfilled
  if (sums.length > 0) yield* rollups.reset
  yield* fillRollups
  return [
    ...(drained === 0 ? [] : [repaired(`stored ${counted(drained, "call")} from the spool`)]),
    ...(sums.length === 0 ? [] : [repaired(`added ${counted(sums.length, "sum")} up anew`)]),
    ...(unfilled === 0 ? [] : [repaired(`added ${counted(unfilled, "call")} to the sums`)]),
    ...(mended.length === 0 ? [] : [repaired(`counted ${counted(mended.length, "tool")} anew`)]),
  ]
})

/** It takes as much room again as the store, and may fail where all else is mended. */
const rewriteStore = Effect.gen(function* () {
  const lost = yield* findLostSpace
  if (lost === 0) return []
  yield* Effect.flatMap(Retention, ({ rewrite }) => rewrite)
  return [repaired(`wrote the store's file anew, without ${inMegabytes(lost)} that were unused`)]
})

const settleWholeStore = ({ store }: DoctorOptions) =>
  Effect.gen(function* () {
    const { inspect } = yield* StoreFile
    const spool = yield* Spool
    const usable = yield* Effect.map(
      inspect,
      ({ schema, programSchema, damage }) => damage.length === 0 && schema <= programSchema,
    ).pipe(
      Effect.catchTag("StoreMissing", () => Effect.map(spool.list, (waiting) => waiting.length > 0)),
      // Where it cannot be looked into, the checks say so.
      Effect.orElseSucceed(() => false),
    )
    return usable
      ? yield* Effect.zipWith(settleStore, orProblem("repair")(rewriteStore), (mended, rewritten) => [
          ...mended,
          ...rewritten,
        ]).pipe(Effect.provide(store))
      : []
  })

/** Mends what can be mended without loss, and says what it did. */
export const repair = (options: DoctorOptions): Effect.Effect<ReadonlyArray<Check>, never, Surroundings> =>
  Effect.map(
    Effect.all([
      orProblem("repair")(closeToOthers),
      orProblem("repair")(clearDrafts),
      orProblem("repair")(settleWholeStore(options)),
    ]),
    (done) => done.flat(),
  )
