import { spawnSync } from "node:child_process"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HookNotRunnable } from "../domain/HookNotRunnable.ts"
import { HookCost } from "../services/HookCost.ts"

const PAIRS = 5
const LONGEST_RUN_MILLIS = 20_000
const SLOW_NODE_MILLIS = 120
const IGNORED_PAYLOAD = JSON.stringify({ hook_event_name: "Doctor" })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const variable = (name: string) => Config.string(name).pipe(Config.withDefault(""))

const environment = Config.all({
  certificates: variable("NODE_EXTRA_CA_CERTS"),
  options: variable("NODE_OPTIONS"),
  coverage: variable("NODE_V8_COVERAGE"),
}).pipe(Effect.orElseSucceed(() => ({ certificates: "", options: "", coverage: "" })))

const make = (hookProgram: string) =>
  Effect.map(environment, ({ certificates, options, coverage }) => {
    const run = (args: ReadonlyArray<string>) =>
      Effect.suspend(() => {
        const started = performance.now()
        const { error, status } = spawnSync(process.execPath, args, {
          input: IGNORED_PAYLOAD,
          stdio: ["pipe", "ignore", "ignore"],
          timeout: LONGEST_RUN_MILLIS,
        })
        const millis = performance.now() - started
        if (status === 0) return Effect.succeed(millis)
        const reason = error?.message ?? `it ended with ${status}`
        return Effect.fail(new HookNotRunnable({ program: hookProgram, reason }))
      })

    const pair = Effect.all({ hook: run([hookProgram]), node: run(["-e", "0"]) })

    return HookCost.of({
      measure: Effect.gen(function* () {
        const pairs = yield* Effect.replicateEffect(pair, PAIRS)
        const nodeMillis = median(pairs.map(({ node }) => node))
        const slowCertificates = certificates !== "" && process.versions.node.startsWith("20.")
        return {
          hookMillis: median(pairs.map(({ hook }) => hook)),
          nodeMillis,
          causes: [
            ...(slowCertificates
              ? ["NODE_EXTRA_CA_CERTS costs Node 20 about 40 ms a start; Node 22 reads it later"]
              : []),
            ...(options === "" ? [] : ["NODE_OPTIONS is set, and Node heeds it at every start"]),
            ...(coverage === "" ? [] : ["NODE_V8_COVERAGE has every process write a report"]),
            ...(nodeMillis > SLOW_NODE_MILLIS && !slowCertificates
              ? ["Node itself starts slowly here: a busy machine, a slow disk, or an antivirus program"]
              : []),
          ],
        }
      }).pipe(Effect.withSpan("HookCost.measure")),
    })
  })

/** Times the hook's program as a process, in this process's environment. */
export const HookCostLive = (hookProgram: string): Layer.Layer<HookCost> => Layer.effect(HookCost, make(hookProgram))
