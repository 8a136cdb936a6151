import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { HookCommand, HookNotRunnable } from "../../domain/agents/claudeCodeSettings.ts"
import { AllProjects } from "../../domain/Project.ts"
import { findDamage, PersistenceError, type StoreMissing } from "../../domain/StoreError.ts"
import { format } from "../../domain/TimeWindow.ts"
import type { RegistryDrift } from "../../domain/Tool.ts"
import { counted } from "../../domain/text.ts"
import type { MeasuredCost } from "../../layers/agents/hookCommand.ts"
import { readConfiguration } from "../../layers/files/HomeFilesLive.ts"
import type { Store } from "../../layers/store/Store.ts"
import type { AgentSettings } from "../../services/AgentSettings.ts"
import { Home, HomeFiles } from "../../services/Home.ts"
import { Spool } from "../../services/Spool.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { drainSpool, keepReserve } from "../record/drainSpool.ts"
import { type Check, check, checkRegistration, findUserCommand } from "./registrations.ts"

export interface DoctorOptions {
  readonly version: string
  /** The hook as it would be registered here. */
  readonly hook: Effect.Effect<HookCommand, PersistenceError>
  readonly measure: (hook: HookCommand) => Effect.Effect<MeasuredCost, HookNotRunnable>
  /**
   * Opens the store; a repair may make one for spooled calls. It is not used if the store is damaged, or, without a repair,
   * missing or of an older schema.
   */
  readonly store: Layer.Layer<Store, PersistenceError | StoreMissing>
}

export type Surroundings = AgentSettings | Home | HomeFiles | Spool | StoreFile

const SLOW_HOOK_MILLIS = 300

/** A hook that is running may have written its event and not yet the aggregate. */
const SETTLING = "300 millis"

/** The command that helps a damaged store, as a part of a sentence. */
const howToRestore = Effect.gen(function* () {
  const home = yield* Home
  const { newestBackup } = yield* StoreFile
  return Option.match(yield* newestBackup, {
    onNone: () => `restore a backup with \`tooltrail restore PATH\` (there is none in ${home.directory}/backups)`,
    onSome: (path) => `restore the newest backup with \`tooltrail restore ${path}\``,
  })
})

/** Fails with the error: with how to restore a backup if the store is damaged, else as it is. */
export const explainDamage = (error: PersistenceError): Effect.Effect<never, PersistenceError, Home | StoreFile> =>
  Effect.gen(function* () {
    const damage = findDamage(error)
    if (damage === undefined) return yield* error
    return yield* new PersistenceError({
      operation: `use the store ${(yield* Home).database}`,
      reason: "unavailable",
      cause: `it is damaged: ${damage}; ${yield* howToRestore}`,
    })
  })

/** A check that fails is a problem. */
const orProblem =
  (name: string) =>
  <R>(effect: Effect.Effect<ReadonlyArray<Check>, { readonly message: string }, R>) =>
    Effect.catchAll(effect, (error) => Effect.succeed([check(name, "problem", error.message)]))

const checkPermissions = Effect.gen(function* () {
  const { findLoose } = yield* HomeFiles
  const loose = yield* findLoose
  const [first, ...others] = loose.filter(({ isShared }) => !isShared)
  const more = others.length > 0 ? `, and ${others.length} more` : ""
  const problems = [
    ...(first === undefined
      ? []
      : [
          `others can read tooltrail's files: ${first.path} has mode ${first.mode.toString(8)}, it should have ${first.wanted.toString(8)}${more}; --repair closes it`,
        ]),
    ...loose.flatMap(({ path, isSecret }) =>
      isSecret
        ? `others may know the token in ${path}; delete it, and \`tooltrail install --mode http\` makes a new one`
        : [],
    ),
    ...loose.flatMap(({ path, mode, isShared }) =>
      isShared
        ? `others can replace files in ${path}, which has mode ${mode.toString(8)} and is not tooltrail's alone; set TOOLTRAIL_HOME to another folder`
        : [],
    ),
  ]
  return problems.length === 0
    ? [check("permissions", "ok", "only you can read tooltrail's files")]
    : problems.map((problem) => check("permissions", "problem", problem))
}).pipe(orProblem("permissions"))

const checkSpool = Effect.gen(function* () {
  const spool = yield* Spool
  const waiting = (yield* spool.list).length
  const aside = (yield* spool.listAside).length
  const unusable = `${counted(aside, "spooled call")} could not be read or stored; look at ${(yield* Home).spool}/unreadable and delete what you do not need`
  return [
    waiting === 0
      ? check("spool", "ok", "no calls are waiting to be stored")
      : check(
          "spool",
          "warning",
          `${counted(waiting, "call")} waiting to be stored by the next hook, query or --repair`,
        ),
    ...(aside === 0 ? [] : [check("set aside", "problem", unusable)]),
  ]
}).pipe(orProblem("spool"))

const checkDrafts = Effect.gen(function* () {
  const { findDrafts } = yield* HomeFiles
  const { listDrafts } = yield* Spool
  const drafts = (yield* findDrafts).length + (yield* listDrafts).length
  const found = `${counted(drafts, "half-written file")} left by killed processes; --repair removes them`
  return [drafts === 0 ? check("drafts", "ok", "no leftover temporary files") : check("drafts", "warning", found)]
}).pipe(orProblem("drafts"))

const checkConfiguration = Effect.gen(function* () {
  const { retention } = yield* readConfiguration
  const pruning = Option.match(retention, {
    onNone: () => "calls are kept until you prune them",
    onSome: (age) => `calls older than ${format(age)} are pruned`,
  })
  return [check("config", "ok", pruning)]
}).pipe(orProblem("config"))

const sameRow = (a: RegistryDrift, b: RegistryDrift) => a.name === b.name && a.project_hash === b.project_hash

const findLastingDrift = Effect.gen(function* () {
  const { findDrift } = yield* ToolRegistry
  const first = yield* findDrift
  if (first.length === 0) return first
  yield* Effect.sleep(SETTLING)
  return (yield* findDrift).filter((row) => first.some((earlier) => sameRow(earlier, row)))
})

const inMegabytes = (bytes: number) => `${Math.round(bytes / 1_000_000)} MB`

const checkSums = Effect.gen(function* () {
  const { findSumDrift } = yield* StoreUpkeep
  const [first, ...others] = yield* findSumDrift
  if (first === undefined) return check("sums", "ok", "sums match the recorded calls")
  const ofTool = first.tool_name === null ? "" : ` of ${first.tool_name}`
  const sum = `${first.uses ?? "no"} calls${ofTool} in ${first.period}, but ${first.expected_uses} are recorded`
  const more = others.length > 0 ? `, and ${counted(others.length, "more sum")}` : ""
  return check("sums", "problem", `the sums count ${sum}${more}; --repair corrects them`)
})

/** By the aggregate, which knows the last use of each tool, pruned or not. */
const checkLastCall = Effect.gen(function* () {
  const registry = yield* ToolRegistry
  const used = (yield* registry.getAvailableForSession(AllProjects)).flatMap(({ name, last_used_at }) =>
    last_used_at === null ? [] : [{ name, last_used_at }],
  )
  const [newest] = used.sort((a, b) => (a.last_used_at < b.last_used_at ? 1 : -1))
  return newest === undefined
    ? check("last call", "warning", "no calls recorded yet")
    : check("last call", "ok", `${newest.name}, ${newest.last_used_at} UTC`)
})

const checkCounts = Effect.gen(function* () {
  const [first, ...others] = yield* findLastingDrift
  if (first === undefined) return check("counts", "ok", "tool counts match the recorded calls")
  const count = `${first.name} has the count ${first.usage_count ?? 0}, it should be ${first.expected_count}`
  const more = others.length > 0 ? `, and ${counted(others.length, "more tool")}` : ""
  return check("counts", "problem", `${count}${more}; --repair corrects it`)
})

const checkStore = ({ store }: DoctorOptions, mostBytes: number) =>
  Effect.gen(function* () {
    const { checkWritable } = yield* HomeFiles
    yield* checkWritable
    const { identify, inspect } = yield* StoreFile
    const { bytes, schema, programSchema } = yield* identify
    const place = check("store", "ok", (yield* Home).database)
    const isSkipped = bytes > mostBytes
    const [finding] = isSkipped ? [] : (yield* inspect).damage
    const unproved = `to read ${inMegabytes(bytes)} takes a while; \`tooltrail doctor\` does it`
    const skip = (name: string) => check(name, "skipped", unproved)
    const integrity = isSkipped
      ? skip("integrity")
      : finding === undefined
        ? check("integrity", "ok", "integrity check passed")
        : check("integrity", "problem", `the store is damaged: ${finding}; ${yield* howToRestore}`)
    if (schema > programSchema) {
      const advice = `the store has schema ${schema}, this program knows up to ${programSchema}; update tooltrail`
      return [place, check("schema", "problem", advice), integrity]
    }
    if (schema < programSchema) {
      const advice = `schema ${schema}; the next hook or query updates it to ${programSchema}`
      return [place, check("schema", "ok", advice), integrity]
    }
    const counts = isSkipped ? Effect.succeed([skip("counts"), skip("sums")]) : Effect.all([checkCounts, checkSums])
    const content =
      finding === undefined
        ? yield* Effect.provide(
            Effect.zipWith(counts, checkLastCall, (checks, last) => [...checks, last]),
            store,
          )
        : []
    return [place, check("schema", "ok", `schema ${schema} (current)`), integrity, ...content]
  }).pipe(
    Effect.catchTag("StoreMissing", ({ message }) => Effect.succeed([check("store", "warning", message)])),
    Effect.catchTag("PersistenceError", (error) =>
      Effect.catchAll(explainDamage(error), ({ message }) =>
        Effect.succeed([check(findDamage(error) === undefined ? "store" : "integrity", "problem", message)]),
      ),
    ),
  )

/** Times the registered command if there is one that can be run. */
const checkHook = ({ hook, measure }: DoctorOptions) =>
  Effect.gen(function* () {
    const registered = yield* findUserCommand
    const { hookMillis, nodeMillis, causes } = yield* measure(
      Option.isSome(registered) ? registered.value : yield* hook,
    )
    const times = `the hook takes ${Math.round(hookMillis)} ms a call, Node alone ${Math.round(nodeMillis)} ms (× ${(hookMillis / nodeMillis).toFixed(1)})`
    const status = causes.length > 0 || hookMillis > SLOW_HOOK_MILLIS ? "warning" : "ok"
    return [check("hook", status, [times, ...causes].join("; "))]
  }).pipe(orProblem("hook"))

/**
 * Checks everything but the hook's cost, which takes a while to measure; changes nothing. A store of more than `mostBytes` is
 * not read through.
 */
export const examineAtOnce = (
  options: DoctorOptions,
  mostBytes: number = Number.POSITIVE_INFINITY,
): Effect.Effect<ReadonlyArray<Check>, never, Surroundings> =>
  Effect.gen(function* () {
    return [
      check("versions", "ok", `tooltrail ${options.version} on Node ${process.versions.node}`),
      ...(yield* checkPermissions),
      ...(yield* checkConfiguration),
      ...(yield* checkStore(options, mostBytes)),
      ...(yield* checkSpool),
      ...(yield* checkDrafts),
      ...(yield* orProblem("registered")(checkRegistration)),
    ]
  })

/** Checks everything and changes nothing. */
export const examine = (options: DoctorOptions): Effect.Effect<ReadonlyArray<Check>, never, Surroundings> =>
  Effect.zipWith(examineAtOnce(options), checkHook(options), (checks, hook) => [...checks, ...hook])

const repaired = (what: string) => check("repair", "ok", what)

const closeToOthers = Effect.gen(function* () {
  const files = yield* HomeFiles
  const loose = (yield* files.findLoose).filter(({ isShared }) => !isShared)
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
    ...(recovered === 0 ? [] : [repaired(`recovered ${counted(recovered, "call")} from half-written spool files`)]),
  ]
})

/** The spool comes first, because it holds what the aggregate lacks. */
const settleStore = Effect.gen(function* () {
  const registry = yield* ToolRegistry
  const drained = yield* drainSpool()
  yield* keepReserve
  const mended = (yield* findLastingDrift).length === 0 ? [] : yield* registry.rebuild
  const upkeep = yield* StoreUpkeep
  const sums = yield* upkeep.findSumDrift
  yield* sums.length > 0 ? upkeep.rebuildSums : upkeep.foldSums
  return [
    ...(drained === 0 ? [] : [repaired(`stored ${counted(drained, "call")} from the spool`)]),
    ...(sums.length === 0 ? [] : [repaired(`corrected ${counted(sums.length, "sum")}`)]),
    ...(mended.length === 0 ? [] : [repaired(`corrected the count of ${counted(mended.length, "tool")}`)]),
  ]
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
      // The checks name the damage, and how to restore a backup.
      Effect.catchIf(
        (error) => findDamage(error) !== undefined,
        () => Effect.succeed(false),
      ),
    )
    return usable ? yield* Effect.provide(settleStore, store) : []
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
