import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { HookCommand } from "../../domain/agents/claudeCodeSettings.ts"
import { AllProjects } from "../../domain/Project.ts"
import { findDamage, PersistenceError, type StoreMissing } from "../../domain/StoreError.ts"
import { format } from "../../domain/TimeWindow.ts"
import type { RegistryDrift } from "../../domain/Tool.ts"
import { counted } from "../../domain/text.ts"
import { readConfiguration } from "../../layers/files/HomeFilesLive.ts"
import type { Store } from "../../layers/store/Store.ts"
import type { AgentSettings } from "../../services/AgentSettings.ts"
import { Home, HomeFiles } from "../../services/Home.ts"
import { HookCost } from "../../services/HookCost.ts"
import { Spool } from "../../services/Spool.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { StoreUpkeep } from "../../services/StoreUpkeep.ts"
import { ToolRegistry } from "../../services/ToolRegistry.ts"
import { drainSpool, keepReserve } from "../record/drainSpool.ts"
import { type Check, check } from "./check.ts"
import { findLostSpace } from "./prune.ts"
import { checkRegistration, findUserCommand } from "./registrations.ts"

export interface DoctorOptions {
  readonly version: string
  /** The hook as it would be registered here. */
  readonly hook: Effect.Effect<HookCommand, PersistenceError>
  /**
   * Opens the store; a repair may make one for spooled calls. It is not used if the store is damaged, or, without a repair,
   * missing or of an older schema.
   */
  readonly store: Layer.Layer<Store, PersistenceError | StoreMissing>
}

export type Surroundings = AgentSettings | Home | HomeFiles | Spool | StoreFile

const OLDEST_NODE = [20, 19] as const
const SLOW_HOOK_MILLIS = 300

/** A hook that is running may have written its event and not yet the aggregate. */
const SETTLING = "300 millis"

/** The command that helps a damaged store, as a part of a sentence. */
const howToRestore: Effect.Effect<string, never, Home | StoreFile> = Effect.gen(function* () {
  const home = yield* Home
  const { newestBackup } = yield* StoreFile
  return Option.match(yield* newestBackup, {
    onNone: () => `restore a backup with \`tooltrail restore PATH\` (there is none in ${home.directory}/backups)`,
    onSome: (path) => `restore the newest backup with \`tooltrail restore ${path}\``,
  })
})

/** Adds how to restore a backup to the error of a damaged store; leaves other errors as they are. */
export const explainDamage = (error: PersistenceError): Effect.Effect<PersistenceError, never, Home | StoreFile> =>
  Effect.gen(function* () {
    const home = yield* Home
    const damage = findDamage(error)
    if (damage === undefined) return error
    return new PersistenceError({
      operation: `use the store ${home.database}`,
      reason: "unavailable",
      cause: `it is damaged: ${damage}; ${yield* howToRestore}`,
    })
  })

/** A check that fails is a problem. */
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
  const { findLoose } = yield* HomeFiles
  const loose = yield* findLoose
  const [first, ...others] = loose.filter(({ isShared }) => !isShared)
  const shared = loose.filter(({ isShared }) => isShared)
  const problem = check("permissions", "problem")
  if (first === undefined && shared.length === 0) {
    return [check("permissions", "ok")("only you can read tooltrail's files")]
  }
  const more = others.length > 0 ? `, and ${others.length} more` : ""
  return [
    ...(first === undefined
      ? []
      : [
          problem(
            `others can read tooltrail's files: ${first.path} has mode ${first.mode.toString(8)}, it should have ${first.wanted.toString(8)}${more}; --repair closes it`,
          ),
        ]),
    ...loose
      .filter(({ isSecret }) => isSecret)
      .map(({ path }) =>
        problem(
          `others may know the token in ${path}; delete it, and \`tooltrail install --mode http\` makes a new one`,
        ),
      ),
    ...shared.map(({ path, mode }) =>
      problem(
        `others can replace files in ${path}, which has mode ${mode.toString(8)} and is not tooltrail's alone; set TOOLTRAIL_HOME to another folder`,
      ),
    ),
  ]
}).pipe(orProblem("permissions"))

const checkSpool = Effect.gen(function* () {
  const spool = yield* Spool
  const waiting = (yield* spool.list).length
  const aside = (yield* spool.listAside).length
  return [
    waiting === 0
      ? check("spool", "ok")("no calls are waiting to be stored")
      : check(
          "spool",
          "warning",
        )(`${counted(waiting, "call")} waiting to be stored by the next hook, query or --repair`),
    ...(aside === 0
      ? []
      : [
          check(
            "set aside",
            "problem",
          )(
            `${counted(aside, "spooled call")} could not be read or stored; look at ${(yield* Home).spool}/unreadable and delete what you do not need`,
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
      ? check("drafts", "ok")("no leftover temporary files")
      : check(
          "drafts",
          "warning",
        )(`${counted(drafts, "half-written file")} left by killed processes; --repair removes them`),
  ]
}).pipe(orProblem("drafts"))

const checkConfiguration = Effect.gen(function* () {
  const { retention } = yield* readConfiguration
  const pruning = Option.match(retention, {
    onNone: () => "calls are kept until you prune them",
    onSome: (age) => `calls older than ${format(age)} are pruned`,
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
  const { findSumDrift } = yield* StoreUpkeep
  const [first, ...others] = yield* findSumDrift
  if (first === undefined) return check("sums", "ok")("sums match the recorded calls")
  const ofTool = first.tool_name === null ? "" : ` of ${first.tool_name}`
  const sum = `${first.uses ?? "no"} calls${ofTool} in ${first.period}, but ${first.expected_uses} are recorded`
  const more = others.length > 0 ? `, and ${counted(others.length, "more sum")}` : ""
  return check("sums", "problem")(`the sums count ${sum}${more}; --repair corrects them`)
})

/** By the aggregate, which knows the last use of each tool, pruned or not. */
const checkLastCall = Effect.gen(function* () {
  const registry = yield* ToolRegistry
  const used = (yield* registry.getAvailableForSession(AllProjects)).flatMap(({ name, last_used_at }) =>
    last_used_at === null ? [] : [{ name, last_used_at }],
  )
  const [newest] = used.sort((a, b) => (a.last_used_at < b.last_used_at ? 1 : -1))
  return newest === undefined
    ? check("last call", "warning")("no calls recorded yet")
    : check("last call", "ok")(`${newest.name}, ${newest.last_used_at} UTC`)
})

const checkSpace = Effect.gen(function* () {
  const lost = yield* findLostSpace
  return lost === 0
    ? check("space", "ok")("no wasted space")
    : check(
        "space",
        "warning",
      )(
        `${inMegabytes(lost)} of the store's file are unused, and a file of an older tooltrail cannot give them back; --repair rewrites it`,
      )
})

const checkCounts = Effect.gen(function* () {
  const [first, ...others] = yield* findLastingDrift
  const more = others.length > 0 ? `, and ${counted(others.length, "more tool")}` : ""
  return first === undefined
    ? check("counts", "ok")("tool counts match the recorded calls")
    : check(
        "counts",
        "problem",
      )(
        `${first.name} has the count ${first.usage_count ?? 0}, it should be ${first.expected_count}${more}; --repair corrects it`,
      )
})

const checkContent = Effect.all([checkCounts, checkSums, checkSpace, checkLastCall])

const checkStore = ({ store }: DoctorOptions, mostBytes: number) =>
  Effect.gen(function* () {
    const { checkWritable } = yield* HomeFiles
    yield* checkWritable
    const { identify, inspect } = yield* StoreFile
    const { bytes, schema, programSchema } = yield* identify
    const place = check("store", "ok")((yield* Home).database)
    const isSkipped = bytes > mostBytes
    const [finding] = isSkipped ? [] : (yield* inspect).damage
    const unproved = `to read ${inMegabytes(bytes)} takes a while; \`tooltrail doctor\` does it`
    const skip = (name: string) => check(name, "skipped")(unproved)
    const integrity = isSkipped
      ? skip("integrity")
      : finding === undefined
        ? check("integrity", "ok")("integrity check passed")
        : check("integrity", "problem")(`the store is damaged: ${finding}; ${yield* howToRestore}`)
    if (schema > programSchema) {
      const advice = `the store has schema ${schema}, this program knows up to ${programSchema}; update tooltrail`
      return [place, check("schema", "problem")(advice), integrity]
    }
    if (schema < programSchema) {
      const advice = `schema ${schema}; the next hook or query updates it to ${programSchema}`
      return [place, check("schema", "ok")(advice), integrity]
    }
    const whole = isSkipped
      ? Effect.map(Effect.all([checkSpace, checkLastCall]), (quick) => [skip("counts"), skip("sums"), ...quick])
      : checkContent
    const content = finding === undefined ? yield* Effect.provide(whole, store) : []
    return [place, check("schema", "ok")(`schema ${schema} (current)`), integrity, ...content]
  }).pipe(
    Effect.catchTag("StoreMissing", ({ message }) => Effect.succeed([check("store", "warning")(message)])),
    Effect.catchTag("PersistenceError", (error) =>
      Effect.map(explainDamage(error), ({ message }) => [
        check(findDamage(error) === undefined ? "store" : "integrity", "problem")(message),
      ]),
    ),
  )

/** Times the registered command if there is one that can be run. */
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
 * Checks everything but the hook's cost, which takes a while to measure; changes nothing. A store of more than `mostBytes` is
 * not read through.
 */
export const examineAtOnce = (
  options: DoctorOptions,
  mostBytes: number = Number.POSITIVE_INFINITY,
): Effect.Effect<ReadonlyArray<Check>, never, Surroundings> =>
  Effect.gen(function* () {
    return [
      ...(yield* checkVersions(options.version)),
      ...(yield* checkPermissions),
      ...(yield* checkConfiguration),
      ...(yield* checkStore(options, mostBytes)),
      ...(yield* checkSpool),
      ...(yield* checkDrafts),
      ...(yield* orProblem("registered")(checkRegistration)),
    ]
  })

/** Checks everything and changes nothing. */
export const examine = (options: DoctorOptions): Effect.Effect<ReadonlyArray<Check>, never, Surroundings | HookCost> =>
  Effect.zipWith(examineAtOnce(options), checkHook(options), (checks, hook) => [...checks, ...hook])

const repaired = check("repair", "ok")

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

/** Needs as much room again as the store, so it may fail after everything else is mended. */
const rewriteStore = Effect.gen(function* () {
  const lost = yield* findLostSpace
  if (lost === 0) return []
  yield* Effect.flatMap(StoreUpkeep, ({ rewrite }) => rewrite)
  return [repaired(`rewrote the store's file without ${inMegabytes(lost)} that were unused`)]
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
