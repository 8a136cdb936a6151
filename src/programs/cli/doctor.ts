import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { printable } from "../../domain/text.ts"
import { AgentSettingsFiles } from "../../layers/agents/ClaudeCodeSettings.ts"
import { hookCommand, measureHook } from "../../layers/agents/hookCommand.ts"
import { HomeFilesLive } from "../../layers/files/HomeFilesLive.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { SpoolFiles } from "../../layers/files/SpoolFiles.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import { type DoctorOptions, examine, repair } from "../upkeep/doctor.ts"
import type { Check } from "../upkeep/registrations.ts"
import { PresentStoreOnly } from "./answer.ts"
import { described, version } from "./command.ts"
import { json } from "./options.ts"
import { type OutputStyle, outputStyle, whileShowing } from "./render/terminal.ts"

/** The path of the program that runs. */
export const thisProgram = (): string => process.argv[1] ?? ""

export const doctorOptions: DoctorOptions = {
  version,
  hook: Effect.suspend(() => hookCommand(thisProgram())),
  measure: measureHook,
  store: PresentStoreOnly,
}

/** What the doctor checks. */
export const Surroundings = Layer.mergeAll(HomeFilesLive, StoreFileSqlite, SpoolFiles, AgentSettingsFiles).pipe(
  Layer.provideMerge(HomeLive),
)

/** The doctor found problems, and has printed them. */
export class NeedsAttention extends Data.TaggedError("NeedsAttention")<{ readonly problems: number }> {
  override get message(): string {
    return `${this.problems} ${this.problems === 1 ? "problem needs" : "problems need"} your attention`
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
  Options.withDescription("Repair what can be repaired without loss, and say what was done."),
)

export const doctor = Command.make("doctor", { json, mend }, ({ json, mend }) =>
  Effect.gen(function* () {
    const checks = yield* Effect.zipWith(
      mend ? repair(doctorOptions) : Effect.succeed([]),
      examine(doctorOptions),
      // A repair and a check may fail for the same reason.
      (done, found) => [...done.filter(({ message }) => !found.some((other) => other.message === message)), ...found],
    ).pipe(whileShowing("Checking the store and timing the hook ..."))
    const problems = checks.filter(({ status }) => status === "problem").length
    yield* Console.log(json ? JSON.stringify({ ok: problems === 0, checks }) : renderChecks(checks, yield* outputStyle))
    if (problems > 0) return yield* new NeedsAttention({ problems })
  }).pipe(Effect.provide(Surroundings)),
).pipe(
  described(
    "Checks that tooltrail works, says what is wrong, and repairs it if you add --repair.",
    "tooltrail doctor --repair",
  ),
)
