import { spawnSync } from "node:child_process"
import { existsSync, lstatSync, readlinkSync, realpathSync, statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import {
  CERTIFICATES_VARIABLE,
  type HookCommand,
  HookNotRunnable,
  LAUNCHER,
} from "../../domain/agents/claudeCodeSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { environmentVariable } from "../files/HomeLive.ts"

/** Where package managers link the Node that they keep up to date. */
const STABLE_NODES = [
  "/usr/local/bin/node",
  "/opt/homebrew/bin/node",
  "/home/linuxbrew/.linuxbrew/bin/node",
  "/usr/bin/node",
]

/** This process's Node, by a path that survives an update if there is one. */
const nodePath = (): string => {
  const actual = process.execPath
  return STABLE_NODES.find((path) => existsSync(path) && realpathSync(path) === realpathSync(actual)) ?? actual
}

/** Follows links to the file, such as a package manager's `bin`, but not links to its folders: those survive an update. */
const followFileLinks = (path: string): string =>
  lstatSync(path).isSymbolicLink() ? followFileLinks(resolve(dirname(path), readlinkSync(path))) : path

const hookBeside = (program: string): string => {
  const byName = join(dirname(followFileLinks(program)), "tooltrail-hook.cjs")
  return existsSync(byName) ? byName : join(dirname(realpathSync(program)), "tooltrail-hook.cjs")
}

const isExecutable = (path: string): boolean =>
  process.platform !== "win32" && ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o111) !== 0

const isNode20 = process.versions.node.startsWith("20.")

/**
 * The hook as an agent is to start it: beside this program, with this Node, by absolute paths. An agent that ignores `args` starts
 * the command alone, and that must do no harm: the launcher does nothing, and to Node no payload is a script.
 */
export const hookCommand = (program: string): Effect.Effect<HookCommand, PersistenceError> =>
  Effect.gen(function* () {
    const certificates = yield* environmentVariable(CERTIFICATES_VARIABLE)
    return yield* Effect.try({
      try: () => {
        const hook = hookBeside(program)
        if (!existsSync(hook)) throw new Error(`${hook} does not exist; build or install tooltrail again`)
        const node = nodePath()
        const launcher = join(dirname(hook), LAUNCHER)
        // Node 20 reads these certificates at every start, which takes as long as recording a call.
        return certificates !== undefined && isNode20 && isExecutable(launcher)
          ? { command: launcher, args: [node, hook] }
          : { command: node, args: [hook] }
      },
      catch: (cause) => new PersistenceError({ operation: "find the hook's program", reason: "unavailable", cause }),
    })
  })

const PAIRS = 5
const LONGEST_RUN_MILLIS = 20_000
const IGNORED_PAYLOAD = JSON.stringify({ hook_event_name: "Doctor" })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** The same command with an empty script. */
const nodeAlone = ({ command, args }: HookCommand): HookCommand => {
  const script = args.findIndex((arg) => arg.endsWith(".cjs"))
  return script < 0
    ? { command: process.execPath, args: ["-e", "0"] }
    : { command, args: [...args.slice(0, script), "-e", "0"] }
}

/** How long one run takes. */
const run = ({ command, args }: HookCommand) =>
  Effect.suspend(() => {
    const started = performance.now()
    const { error, status } = spawnSync(command, args, {
      input: IGNORED_PAYLOAD,
      stdio: ["pipe", "ignore", "ignore"],
      timeout: LONGEST_RUN_MILLIS,
    })
    const millis = performance.now() - started
    if (status === 0) return Effect.succeed(millis)
    const reason = error?.message ?? `it ended with ${status}`
    return Effect.fail(new HookNotRunnable({ program: [command, ...args].join(" "), reason }))
  })

/** How long the hook runs here, compared with Node alone; medians in milliseconds. */
export interface MeasuredCost {
  readonly hookMillis: number
  readonly nodeMillis: number
  /** Visible reasons why it is slow, in words. */
  readonly causes: ReadonlyArray<string>
}

/** Times a registered command as a process in this process's environment, on a payload that it ignores. */
export const measureHook = Effect.fn("measureHook")(function* (
  hook: HookCommand,
): Effect.fn.Return<MeasuredCost, HookNotRunnable> {
  const pairs = yield* Effect.replicateEffect(Effect.all({ hook: run(hook), node: run(nodeAlone(hook)) }), PAIRS)
  const startsWithout = hook.command.endsWith(LAUNCHER)
  const readsCertificates = isNode20 && !startsWithout && (yield* environmentVariable(CERTIFICATES_VARIABLE))
  return {
    hookMillis: median(pairs.map(({ hook }) => hook)),
    nodeMillis: median(pairs.map(({ node }) => node)),
    causes: [
      ...(readsCertificates
        ? [
            `${CERTIFICATES_VARIABLE} costs Node 20 about 40 ms a start; \`tooltrail install\` registers a start without it`,
          ]
        : []),
      ...((yield* environmentVariable("NODE_OPTIONS"))
        ? ["NODE_OPTIONS is set, and Node applies it at every start"]
        : []),
    ],
  }
})

const SERVER_PATIENCE_MILLIS = 1000

/** Whether `tooltrail serve` answers at this address and accepts this token. */
export const isServing = (hookUrl: string, token: string): Effect.Effect<boolean> =>
  Effect.tryPromise(async () => {
    const response = await fetch(new URL("/health", hookUrl), {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(SERVER_PATIENCE_MILLIS),
    })
    await response.arrayBuffer()
    return response.ok
  }).pipe(
    Effect.tapError((error) => Effect.logDebug(`${hookUrl} does not answer`, error)),
    Effect.orElseSucceed(() => false),
  )
