import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { counted } from "../../domain/text.ts"
import { previewPrune, prune as pruneStore } from "../upkeep/prune.ts"
import { answer } from "./answer.ts"
import { described } from "./command.ts"
import { ageAtLeast, json } from "./options.ts"

const PAGE_KIB = 4

const olderThan = ageAtLeast(
  "older-than",
  { amount: 1, unit: "days" },
  "Delete calls older than this: 180d, 26w. At least 1d.",
)

const dryRun = Options.boolean("dry-run").pipe(Options.withDescription("Only show what would be deleted."))

export const prune = Command.make("prune", { olderThan, dryRun, json }, ({ olderThan, dryRun, json }) =>
  answer(
    { json },
    {
      ask: dryRun ? previewPrune(olderThan) : pruneStore(olderThan),
      toJson: (answer) => ({
        before: answer?.before ?? null,
        events: answer?.events ?? 0,
        freed_bytes: (answer?.freedPages ?? 0) * PAGE_KIB * 1024,
        dry_run: dryRun,
      }),
      render: ({ before, events, freedPages }) => {
        const calls = `${counted(events, "call")} from before ${before} (UTC)`
        if (dryRun && events > 0) return `Would prune ${calls}; their daily sums stay.`
        return [
          events > 0 ? `Pruned ${calls}; their daily sums stay.` : `No calls from before ${before} (UTC).`,
          ...(events > 0 || freedPages > 0 ? [`Freed ${freedPages * PAGE_KIB} KiB.`] : []),
        ].join(" ")
      },
    },
  ),
).pipe(
  described(
    "Deletes old calls from the store. `tooltrail trend` still shows their daily sums; other questions no longer reach back that far.",
    "tooltrail prune --older-than 180d --dry-run",
  ),
)
