// What it takes to drain a spool, which has a file for each call: all of a drain, what of it the store takes, and a loop over the same files.
import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SpoolFiles } from "../dist/lib/layers/files/SpoolFiles.js"
import { drainSpool } from "../dist/lib/programs/record/spool.js"
import { Spool } from "../dist/lib/services/Spool.js"
import { median, newTable, percent, quantile, secondsSince } from "./figures.mjs"
import { homeAt, INSERT, openPlain, run, tableOf } from "./scaleStores.mjs"
import { loopOver, usesOf } from "./scaleWrites.mjs"

const writeSpool = (directory, uses) => {
  mkdirSync(join(directory, "spool"), { recursive: true, mode: 0o700 })
  for (const [place, use] of uses.entries()) {
    const name = `${String(place).padStart(15, "0")}-1-abcdefgh.json`
    writeFileSync(join(directory, "spool", name), `${JSON.stringify({ owed: "call", use })}\n`, { mode: 0o600 })
  }
}

const drain = async (directory, uses) => {
  writeSpool(directory, uses)
  let inFiles = 0
  const timed = (effect) =>
    Effect.suspend(() => {
      const started = performance.now()
      return Effect.ensuring(
        effect,
        Effect.sync(() => {
          inFiles += secondsSince(started)
        }),
      )
    })
  const timedSpool = Effect.map(Spool, (spool) => ({
    ...spool,
    list: timed(spool.list),
    read: (names) => timed(spool.read(names)),
    findGone: (names) => timed(spool.findGone(names)),
    remove: (names) => timed(spool.remove(names)),
    keepReserve: timed(spool.keepReserve),
  })).pipe(Effect.provide(Layer.provide(SpoolFiles, homeAt(directory))))
  return run(
    directory,
    Effect.gen(function* () {
      const started = performance.now()
      if ((yield* drainSpool()) !== uses.length) throw new Error("not all is drained")
      return { inAll: secondsSince(started), inStore: secondsSince(started) - inFiles }
    }).pipe(Effect.provideServiceEffect(Spool, timedSpool)),
  )
}

const loopOverFiles = (directory, uses, store) => {
  writeSpool(directory, uses)
  const folder = join(directory, "spool")
  const database = openPlain(join(directory, "looped.db"), tableOf(store))
  const insert = database.prepare(INSERT)
  const started = performance.now()
  const names = readdirSync(folder).sort()
  database.transaction(() => {
    for (const name of names) {
      const { use } = JSON.parse(readFileSync(join(folder, name), "utf8"))
      insert.run({
        tool: use.toolName,
        session: use.sessionId,
        project: use.projectHash,
        success: use.success ? 1 : 0,
        at: use.usedAt,
        id: use.toolUseId,
        duration: use.durationMs,
        subagent: use.subagent,
      })
    }
  })()
  for (const name of names) unlinkSync(join(folder, name))
  const took = secondsSince(started)
  database.close()
  return took
}

/** Prints how many calls a second a drain stores, and what share that is of what a plain loop does in the same round. */
export const printDrains = async (scratch, store, events, rounds) => {
  const uses = usesOf(events)
  const times = { plain: [], overFiles: [], inAll: [], inStore: [] }
  for (let round = 0; round < rounds; round++) {
    times.plain.push(loopOver(join(scratch, `plain-${round}.db`), store, events))
    const { inAll, inStore } = await drain(join(scratch, `drained-${round}`), uses)
    times.inAll.push(inAll)
    times.inStore.push(inStore)
    times.overFiles.push(loopOverFiles(join(scratch, `emptied-${round}`), uses, store))
  }
  const table = newTable([`a spool of ${uses.length} calls, median of ${rounds}`, "a second", "share", "9 in 10 above"])
  for (const [name, label] of [
    ["plain", "plain loop in one transaction, no files"],
    ["overFiles", "plain loop, which reads and removes its files"],
    ["inAll", "drainSpool"],
    ["inStore", "drainSpool without reading, decoding and removing"],
  ]) {
    const rates = times[name].map((took) => uses.length / took)
    const shares = times[name].map((took, round) => times.plain[round] / took)
    table.push([label, median(rates).toFixed(0), percent(median(shares)), percent(quantile(shares, 0.1))])
  }
  console.log(table.toString())
}
