import { spawnSync } from "node:child_process"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CERTIFICATES_VARIABLE, type HookCommand } from "../../domain/agents/claudeCodeSettings.ts"
import { HookNotRunnable } from "../../domain/agents/HookNotRunnable.ts"
import { HookCost } from "../../services/HookCost.ts"

const PAIRS = 5
const LONGEST_RUN_MILLIS = 20_000
const SLOW_NODE_MILLIS = 120
const IGNORED_PAYLOAD = JSON.stringify({ hook_event_name: "Doctor" })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const variable = (name: string) => Config.string(name).pipe(Config.withDefault(""))

const environment = Config.all({
  certificates: variable(CERTIFICATES_VARIABLE),
  options: variable("NODE_OPTIONS"),
  coverage: variable("NODE_V8_COVERAGE"),
}).pipe(Effect.orElseSucceed(() => ({ certificates: "", options: "", coverage: "" })))

/** The same start of Node, of nothing. */
const nodeAlone = ({ command, args }: HookCommand): HookCommand => {
  const script = args.findIndex((arg) => arg.endsWith(".cjs"))
  return script < 0
    ? { command: process.execPath, args: ["-e", "0"] }
    : { command, args: [...args.slice(0, script), "-e", "0"] }
}

const make = Effect.map(environment, ({ certificates, options, coverage }) => {
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

  return HookCost.of({
    measure: Effect.fn("HookCost.measure")(function* (hook) {
      const pair = Effect.all({ hook: run(hook), node: run(nodeAlone(hook)) })
      const pairs = yield* Effect.replicateEffect(pair, PAIRS)
      const nodeMillis = median(pairs.map(({ node }) => node))
      const slowCertificates =
        certificates !== "" && process.versions.node.startsWith("20.") && !hook.args.includes(CERTIFICATES_VARIABLE)
      return {
        hookMillis: median(pairs.map(({ hook }) => hook)),
        nodeMillis,
        causes: [
          ...(slowCertificates
            ? [
                `${CERTIFICATES_VARIABLE} costs Node 20 about 40 ms a start; \`tooltrail install\` registers a start without it`,
              ]
            : []),
          ...(options === "" ? [] : ["NODE_OPTIONS is set, and Node heeds it at every start"]),
          ...(coverage === "" ? [] : ["NODE_V8_COVERAGE has every process write a report"]),
          ...(nodeMillis > SLOW_NODE_MILLIS && !slowCertificates
            ? ["Node itself starts slowly here: a busy machine, a slow disk, or an antivirus program"]
            : []),
        ],
      }
    }),
  })
})

/** Times a registered command as a process, in this process's environment. */
export const HookCostLive: Layer.Layer<HookCost> = Layer.effect(HookCost, make)
