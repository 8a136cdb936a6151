import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { TranscriptFile } from "../../src/domain/agents/TranscriptFile.ts"
import { TranscriptsRemembering } from "../../src/layers/agents/TranscriptsLive.ts"
import { packReading, unpackAnswer } from "../../src/programs/transcriptWorker/messages.ts"
import { TranscriptsInWorker } from "../../src/programs/transcriptWorker/TranscriptsInWorker.ts"
import { type TranscriptPart, Transcripts } from "../../src/services/Transcripts.ts"
import { temporaryFolder } from "../support/processes.ts"
import { toolUse } from "../support/toolUses.ts"
import { realTranscripts } from "../support/transcripts.ts"

const pathsOf = (files: ReadonlyArray<TranscriptFile>) => files.map(({ path }) => ({ path, read: Option.none() }))

const withCalls = Either.map(({ calls, ...part }: TranscriptPart) => ({ ...part, calls }))

/** Reads with the worker's program, and with `here`. */
const inWorker = (here: Context.Tag.Service<Transcripts>) =>
  Layer.build(TranscriptsInWorker("dist/transcript-worker.cjs", 0)).pipe(
    Effect.map(Context.get(Transcripts)),
    Effect.provideService(Transcripts, here),
  )

describe("transcripts in a worker", () => {
  it.live("are read there once it has started, as they are read here", () =>
    Effect.gen(function* () {
      const here = yield* Transcripts
      let readsHere = 0
      const counted = Transcripts.of({
        ...here,
        readEach: (places) => {
          readsHere++
          return here.readEach(places)
        },
      })
      const there = yield* inWorker(counted)
      const { files } = yield* there.find([realTranscripts])
      const places = [...pathsOf(files), { path: join(temporaryFolder(), "gone.jsonl"), read: Option.none() }]
      const readThere = Effect.suspend(() => {
        const before = readsHere
        return Effect.map(there.readEach(places), (parts) =>
          readsHere === before ? Option.some(parts) : Option.none(),
        )
      })
      const [first] = Option.toArray(yield* readThere)
      assert.isUndefined(first)
      const parts = yield* readThere.pipe(
        Effect.flatMap(Option.match({ onNone: () => Effect.fail("not started"), onSome: Effect.succeed })),
        Effect.retry(Schedule.spaced("20 millis")),
        Effect.timeout("20 seconds"),
      )
      assert.deepStrictEqual(parts.map(withCalls), (yield* here.readEach(places)).map(withCalls))
      assert.deepStrictEqual(parts.map(Either.isRight), [...files.map(() => true), false])
    }).pipe(Effect.scoped, Effect.provide(TranscriptsRemembering)),
  )

  it.live("are read in both threads where this one has nothing else to do, and there alone where it has", () =>
    Effect.gen(function* () {
      const here = yield* Transcripts
      let readsHere = 0
      const counted = Transcripts.of({
        ...here,
        readEach: (places) =>
          Effect.zipRight(
            Effect.sync(() => readsHere++),
            here.readEach(places),
          ),
      })
      /** How many of 12 requests at once are read here, after this thread was busy or idle for nearly all of the time. */
      const readHereAfter = (occupy: (millis: number) => Effect.Effect<void>) =>
        Effect.gen(function* () {
          const startedAt = performance.now()
          const there = yield* inWorker(counted)
          const { files } = yield* there.find([realTranscripts])
          const readOnce = Effect.suspend(() => {
            const before = readsHere
            return Effect.map(there.readEach(pathsOf(files)), () => readsHere === before)
          })
          yield* Effect.repeat(readOnce, { schedule: Schedule.spaced("20 millis"), until: (isRead) => isRead }).pipe(
            Effect.timeout("20 seconds"),
          )
          yield* occupy(5 * (performance.now() - startedAt))
          const before = readsHere
          yield* Effect.replicateEffect(there.readEach(pathsOf(files)), 12, { concurrency: "unbounded" })
          return readsHere - before
        }).pipe(Effect.scoped)

      const work = (millis: number) =>
        Effect.sync(() => {
          const until = performance.now() + millis
          while (performance.now() < until);
        })
      assert.deepStrictEqual([yield* readHereAfter(Effect.sleep), yield* readHereAfter(work)], [4, 0])
    }).pipe(Effect.provide(TranscriptsRemembering)),
  )

  it("are packed without mixing up calls that are nearly alike", () => {
    const call = toolUse({ toolName: "Agent", subagent: null, target: "a\nb" })
    const calls = [
      call,
      { ...call, target: "a" },
      { ...call, subagent: "", target: null },
      { ...call, subagent: null, target: "" },
      { ...call, subagent: "a", target: "b" },
      { ...call, toolName: "Agent\n", target: "a" },
      call,
    ]
    const read = { path: "/t", size: 1, modifiedAt: 1, readBytes: 1, readLines: 1, fingerprint: "", carried: "" }
    const part = { callCount: calls.length, bytes: 1, lines: 1, brokenLines: [], openCalls: 0, read, isEnd: true }
    const [answer] = unpackAnswer(structuredClone([packReading(Either.right({ ...part, calls }))]))
    deepStrictEqual(answer?.pipe(withCalls), Either.right({ ...part, calls }))
  })

  it.live.each<[string, string]>([
    ["ends as it starts", "process.exit(1)"],
    ["never answers", "setInterval(() => {}, 1e6)"],
  ])("are read here where the worker %s", ([, program]) =>
    Effect.gen(function* () {
      const path = join(temporaryFolder(), "worker.cjs")
      writeFileSync(path, program)
      const there = yield* Effect.map(Layer.build(TranscriptsInWorker(path, 0)), Context.get(Transcripts))
      const { files } = yield* there.find([realTranscripts])
      assert.lengthOf(yield* there.readEach(pathsOf(files)), files.length)
    }).pipe(Effect.scoped, Effect.provide(TranscriptsRemembering), Effect.timeout("20 seconds")),
  )

  it.live("are read here where the worker is missing", () =>
    Effect.gen(function* () {
      const { find, readEach } = yield* Transcripts
      const { files } = yield* find([realTranscripts])
      const parts = yield* readEach(pathsOf(files))
      const calls = parts.map((part) => Either.getOrThrow(part).callCount)
      assert.strictEqual(
        calls.reduce((sum, count) => sum + count),
        37,
      )
    }).pipe(
      Effect.provide(
        TranscriptsInWorker(join(temporaryFolder(), "no-worker.cjs")).pipe(Layer.provide(TranscriptsRemembering)),
      ),
    ),
  )
})
