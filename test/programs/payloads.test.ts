import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as fc from "fast-check"
import { decode } from "../../src/domain/agents/claudeCodeHook.ts"
import { AllProjects } from "../../src/domain/Project.ts"
import { ProjectResolverLive } from "../../src/layers/files/ProjectResolverLive.ts"
import { StoreMemory } from "../../src/layers/store/Store.ts"
import { receiveFrom } from "../../src/programs/record/receiveHookEvent.ts"
import { recordToolUse } from "../../src/programs/record/recordToolUse.ts"
import { ToolRegistry } from "../../src/services/ToolRegistry.ts"
import { UsageEvents } from "../../src/services/UsageEvents.ts"
import { realPayloads } from "../support/processes.ts"

const PAYLOADS = 3000

type Json = Record<string, unknown>

const real = realPayloads.map((line) => JSON.parse(line) as Json)
const fields = [...new Set(real.flatMap(Object.keys)), "is_interrupt", "agent_type", "mcp_server", "cursor_version"]

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    "",
    0,
    -1,
    1.5,
    1e308,
    true,
    [],
    {},
    "\u0000",
    "\ud800",
    "it's; DROP TABLE x",
    "__proto__",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ minLength: 1020, maxLength: 1030 }),
  fc.jsonValue({ maxDepth: 3 }),
)

const sensible: fc.Arbitrary<Json> = fc.record(
  {
    hook_event_name: fc.constantFrom("PostToolUse", "PostToolUseFailure", "PreToolUse", "Stop"),
    tool_name: fc.constantFrom("Bash", "Read", "Skill", "Agent", "mcp__github__search", "mcp__plugin_a_b__c", "it's"),
    tool_use_id: fc.nat(6000).map((n) => `toolu_${n}`),
    session_id: fc.constantFrom("s1", "s2"),
    cwd: fc.constantFrom("/projects/a", "/projects/b", "relative", "/"),
    tool_input: fc.record({ skill: fc.constantFrom<unknown>("pdf", 1, null) }),
    mcp_server: fc.record({ name: fc.constantFrom("github", "b") }),
    is_interrupt: fc.boolean(),
    agent_type: fc.constantFrom("Explore", "Plan"),
  },
  { requiredKeys: [] },
)

const mutation: fc.Arbitrary<(payload: Json) => Json> = fc.oneof(
  { weight: 4, arbitrary: fc.constant((payload: Json) => payload) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...fields), odd).map(([field, value]) => (payload: Json) => ({
      ...payload,
      [field]: value,
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...fields).map((gone) => (payload: Json) => {
      const { [gone]: _, ...rest } = payload
      return rest
    }),
  },
)

/** What can happen to a text on its way. */
const damage: fc.Arbitrary<(text: string) => string> = fc.oneof(
  { weight: 12, arbitrary: fc.constant((text: string) => text) },
  { weight: 1, arbitrary: fc.nat(400).map((length) => (text: string) => text.slice(0, length)) },
  { weight: 1, arbitrary: fc.constant((text: string) => `\ufeff${text}\n`) },
  { weight: 1, arbitrary: fc.constant((text: string) => `[${text}]`) },
  { weight: 1, arbitrary: fc.constant((text: string) => text + text) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(400), fc.string({ unit: "binary", minLength: 1, maxLength: 3 })).map(
      ([place, noise]) =>
        (text: string) =>
          text.slice(0, place) + noise + text.slice(place),
    ),
  },
)

const payloads: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom(...real), sensible, mutation, mutation, damage)
  .map(([base, overlay, first, second, harm]) => harm(JSON.stringify(second(first({ ...base, ...overlay })))))

describe("thousands of payloads in one process", () => {
  it.effect("never throw, and record exactly what can be read, each call once", () =>
    Effect.gen(function* () {
      const ids = new Set<string>()
      let withoutId = 0
      let refused = 0
      for (const payload of fc.sample(payloads, { numRuns: PAYLOADS, seed: 20_260_131 })) {
        const decoded = decode(payload)
        if (Either.isRight(decoded) && decoded.right._tag === "FinishedToolCall") {
          const { agent, toolUseId } = decoded.right
          if (toolUseId === null) withoutId++
          else ids.add(JSON.stringify([agent, toolUseId]))
        }
        const received = yield* Effect.either(receiveFrom(payload, {}))
        assert.strictEqual(Either.isLeft(received), Either.isLeft(decoded), payload)
        if (Either.isLeft(received)) refused++
        else if (received.right._tag === "ToolUsed") yield* recordToolUse(received.right.use)
      }
      const events = yield* UsageEvents
      const registry = yield* ToolRegistry
      const recorded = yield* events.getNewest(AllProjects, PAYLOADS + 1)
      assert.lengthOf(recorded, ids.size + withoutId)
      assert.isEmpty(yield* registry.findDrift)
      // Were nearly all of one kind, the count above would prove little.
      for (const share of [ids.size, withoutId, refused]) assert.isAbove(share, PAYLOADS / 50)
    }).pipe(Effect.provide(Layer.merge(StoreMemory, ProjectResolverLive)), Logger.withMinimumLogLevel(LogLevel.None)),
  )
})
