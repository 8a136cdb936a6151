import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AgentSettingsFiles } from "../../layers/agents/ClaudeCodeSettings.ts"
import { hookCommand } from "../../layers/agents/hookCommand.ts"
import { HomeFilesLive } from "../../layers/files/HomeFilesLive.ts"
import { HomeLive } from "../../layers/files/HomeLive.ts"
import { SpoolFiles } from "../../layers/files/SpoolFiles.ts"
import { StoreFileSqlite } from "../../layers/store/StoreFileSqlite.ts"
import type { DoctorOptions } from "../upkeep/doctor.ts"
import { PresentStoreOnly } from "./answer.ts"
import { version } from "./command.ts"
import { explainDamage, howToRestore } from "./damage.ts"

/** The path of the program that runs. */
export const thisProgram = (): string => process.argv[1] ?? ""

export const doctorOptions: DoctorOptions = {
  version,
  hook: Effect.suspend(() => hookCommand(thisProgram())),
  store: PresentStoreOnly,
  howToRestore,
  explainDamage,
}

/** What the doctor looks at. */
export const Surroundings = Layer.mergeAll(HomeFilesLive, StoreFileSqlite, SpoolFiles, AgentSettingsFiles).pipe(
  Layer.provideMerge(HomeLive),
)
