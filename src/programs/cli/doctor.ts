import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { printable } from "../../domain/printable.ts"
import { HomeFilesLive } from "../../layers/HomeFilesLive.ts"
import { HomeLive } from "../../layers/HomeLive.ts"
import { HookCostLive } from "../../layers/HookCostLive.ts"
import { SpoolFiles } from "../../layers/SpoolFiles.ts"
import { StoreFileSqlite } from "../../layers/StoreFileSqlite.ts"
import { type Check, examine, repair } from "../doctor.ts"
import { PresentStoreOnly } from "./answer.ts"
import { explainDamage, howToRestore } from "./damage.ts"
import { described } from "./described.ts"
import { json } from "./options.ts"
import { type OutputStyle, outputStyle } from "./terminal.ts"
import { version } from "./version.ts"

/** The doctor found what only a person can mend; it has said what. */
export class NeedsAttention extends Data.TaggedError("NeedsAttention")<{ readonly problems: number }> {
  override get message(): string {
    return `${this.problems} ${this.problems === 1 ? "check needs" : "checks need"} you`
  }
}

/** The hook is built beside the program that runs. */
const hookBeside = Effect.sync(() => join(dirname(realpathSync(process.argv[1] ?? "")), "tooltrail-hook.cjs"))

const Surroundings = Layer.unwrapEffect(
  Effect.map(hookBeside, (hookProgram) =>
    Layer.mergeAll(HomeFilesLive, StoreFileSqlite, SpoolFiles, HookCostLive(hookProgram)),
  ),
).pipe(Layer.provideMerge(HomeLive))

const render = (checks: ReadonlyArray<Check>, { colors }: OutputStyle) => {
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red }
  const width = Math.max(...checks.map(({ name }) => name.length))
  return checks
    .map(({ name, status, message }) => {
      const column = paint[status](status.padEnd("problem".length))
      return `${column}  ${name.padEnd(width)}  ${printable(message)}`
    })
    .join("\n")
}

const mend = Options.boolean("repair").pipe(
  Options.withDescription("Mend what can be mended without loss, and say what was done."),
)

export const doctor = Command.make("doctor", { json, mend }, ({ json, mend }) =>
  Effect.gen(function* () {
    const options = { version, store: PresentStoreOnly, howToRestore, explainDamage }
    const done = mend ? yield* repair(options) : []
    const checks = [...done, ...(yield* examine(options))]
    const problems = checks.filter(({ status }) => status === "problem").length
    yield* Console.log(json ? JSON.stringify({ ok: problems === 0, checks }) : render(checks, yield* outputStyle))
    if (problems > 0) return yield* new NeedsAttention({ problems })
  }).pipe(Effect.provide(Surroundings)),
).pipe(described("Checks that tooltrail is well, in plain words.", "tooltrail doctor --repair"))
