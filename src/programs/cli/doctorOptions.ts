import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AgentSettingsFiles } from "../../layers/AgentSettingsFiles.ts"
import { HomeFilesLive } from "../../layers/HomeFilesLive.ts"
import { HomeLive } from "../../layers/HomeLive.ts"
import { hookCommand } from "../../layers/hookCommand.ts"
import { SpoolFiles } from "../../layers/SpoolFiles.ts"
import { StoreFileSqlite } from "../../layers/StoreFileSqlite.ts"
import type { DoctorOptions } from "../doctor.ts"
import { PresentStoreOnly } from "./answer.ts"
import { explainDamage, howToRestore } from "./damage.ts"
import { version } from "./version.ts"

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
