import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { counted } from "../../domain/text.ts"
import { previewPrune, prune as pruneStore } from "../upkeep/prune.ts"
import { answer } from "./answer.ts"
import { described } from "./command.ts"
import { json, windowFrom } from "./options.ts"

const PAGE_KIB = 4

const cannotGiveBack = (bytes: number) =>
  `${Math.ceil(bytes / 1024)} KiB are unused in the store's file, which an older tooltrail made and which cannot give them back; \`tooltrail doctor --repair\` writes it anew.`

const olderThan = windowFrom(
  "older-than",
  { amount: 1, unit: "days" },
  "Prune the calls before this: 180d, 26w. At least 1d.",
)

const dryRun = Options.boolean("dry-run").pipe(Options.withDescription("Only say what would be pruned."))

export const prune = Command.make("prune", { olderThan, dryRun, json }, ({ olderThan, dryRun, json }) =>
  answer(
    { json },
    {
      ask: dryRun ? previewPrune(olderThan) : pruneStore(olderThan),
      toJson: (answer) => ({
        before: answer?.before ?? null,
        events: answer?.events ?? 0,
        freed_bytes: (answer?.freedPages ?? 0) * PAGE_KIB * 1024,
        kept_bytes: answer?.keptBytes ?? 0,
        dry_run: dryRun,
      }),
      render: ({ before, events, freedPages, keptBytes }) => {
        const calls = `${counted(events, "call")} from before ${before} (UTC)`
        if (dryRun && events > 0) return `Would prune ${calls}; their sums by day stay.`
        const space = keptBytes > 0 ? cannotGiveBack(keptBytes) : `${freedPages * PAGE_KIB} KiB given back.`
        return [
          events > 0
            ? `Pruned ${calls}; their sums by day stay.`
            : `There is no single call from before ${before} (UTC).`,
          ...(events > 0 || freedPages > 0 || keptBytes > 0 ? [space] : []),
        ].join(" ")
      },
    },
  ),
).pipe(
  described(
    "Takes single calls out of the store once they are old, and keeps their sums by day for the trend.",
    "tooltrail prune --older-than 180d --dry-run",
  ),
)
