import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { printable } from "../../domain/text.ts"
import { HookCostLive } from "../../layers/agents/hookCommand.ts"
import type { Check } from "../upkeep/check.ts"
import { examine, repair } from "../upkeep/doctor.ts"
import { described } from "./command.ts"
import { doctorOptions, Surroundings } from "./doctorOptions.ts"
import { json } from "./options.ts"
import { type OutputStyle, outputStyle, whileShowing } from "./render/terminal.ts"

/** The doctor found what only a person can mend; it has said what. */
export class NeedsAttention extends Data.TaggedError("NeedsAttention")<{ readonly problems: number }> {
  override get message(): string {
    return `${this.problems} ${this.problems === 1 ? "check needs" : "checks need"} you`
  }
}

/** Each check as a line. */
export const renderChecks = (checks: ReadonlyArray<Check>, { colors }: OutputStyle) => {
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red, skipped: colors.dim }
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
    const checks = yield* Effect.zipWith(
      mend ? repair(doctorOptions) : Effect.succeed([]),
      examine(doctorOptions),
      (done, found) => [...done, ...found],
    ).pipe(whileShowing("Going through the store and timing the hook ..."))
    const problems = checks.filter(({ status }) => status === "problem").length
    yield* Console.log(json ? JSON.stringify({ ok: problems === 0, checks }) : renderChecks(checks, yield* outputStyle))
    if (problems > 0) return yield* new NeedsAttention({ problems })
  }).pipe(Effect.provide(Layer.merge(Surroundings, HookCostLive))),
).pipe(described("Checks that tooltrail is well, in plain words.", "tooltrail doctor --repair"))
