import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import {
  decodeEntry,
  type TranscriptCall,
  TranscriptFollower,
  toToolUse,
} from "../../src/domain/agents/claudeCodeTranscript.ts"
import { LONGEST_DURATION_MILLIS } from "../../src/domain/agents/payload.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { callLine, type EntryFields, resultLine, textLine } from "../support/transcripts.ts"

const decode = (line: string) => decodeEntry(JSON.parse(line))

const follow = (lines: ReadonlyArray<string>, follower = TranscriptFollower.begin(null)) => {
  const calls: Array<TranscriptCall> = []
  for (const line of lines) follower.follow(decode(line), calls)
  return calls.map((call) => ({ ...toToolUse(call, undefined), sessionStart: call.sessionStart }))
}

describe("a transcript", () => {
  it("turns a call and its result into a tool use of the moment of the result", () => {
    const [call, ...others] = follow([
      callLine("toolu_1", { name: "mcp__github__search", cwd: "/p", millis: 1_700_000_000_000 }),
      textLine("meanwhile", { cwd: "/p/sub" }),
      resultLine("toolu_1", { millis: 1_700_000_002_345 }),
    ])
    assert.lengthOf(others, 0)
    assert.deepStrictEqual(call, {
      toolName: "mcp__github__search",
      agent: "claude-code",
      sessionId: "s1",
      projectHash: null,
      projectRoot: null,
      success: true,
      usedAt: Timestamp.fromEpochMillis(1_700_000_002_345),
      toolUseId: "toolu_1",
      durationMs: 2345,
      durationIsEstimated: true,
      subagent: null,
      target: null,
      serverName: "github",
      failureKind: null,
      source: "transcript",
      inputBytes: call?.inputBytes ?? null,
      outputBytes: call?.outputBytes ?? null,
      sessionStart: "/p",
    })
  })

  it.each<[string, unknown, string]>([
    ["Exit code 1", "Exit code 1\nno such file", "error"],
    ["an empty text", "", "error"],
    ["a refusal", "The user doesn't want to proceed with this tool use. The tool use was rejected", "interrupted"],
    ["a refusal of the next", "The user doesn't want to take this action right now. STOP", "interrupted"],
    ["an interrupt", "[Request interrupted by user for tool use]", "interrupted"],
    [
      "a refusal in parts",
      [{ type: "text", text: "The user doesn't want to proceed with this tool use." }],
      "interrupted",
    ],
    ["parts", [{ type: "text", text: "it broke" }], "error"],
    ["a refusal that is only quoted", "Error: The user doesn't want to proceed with this tool use", "error"],
    ["something else", 7, "error"],
    ["a sibling's failure", "<tool_use_error>Sibling tool call errored</tool_use_error>", "cancelled"],
    [
      "a parallel call's failure",
      "<tool_use_error>Cancelled: parallel tool call Bash(ls) errored</tool_use_error>",
      "cancelled",
    ],
    ["a mention of a sibling", "<tool_use_error>No: Sibling tool call errored", "error"],
  ])("knows a failure with %s", (_, content, kind) => {
    const [call] = follow([callLine("a"), resultLine("a", { content, isError: true })])
    assert.deepStrictEqual([call?.success, call?.failureKind], [false, kind as never])
  })

  it("treats a result as a success if it names no error, whatever its text", () => {
    const [absent, denied] = follow([
      callLine("a"),
      callLine("b"),
      resultLine("a", { content: "[Request interrupted by user for tool use]" }),
      resultLine("b", { isError: false }),
    ])
    assert.isTrue(absent?.success)
    assert.isTrue(denied?.success)
  })

  it.each<[string, EntryFields & { name: string; input: object }, string | null]>([
    ["a skill", { name: "Skill", input: { skill: "pdf" } }, "pdf"],
    ["a skill of an older version", { name: "Skill", input: { command: "pdf" } }, "pdf"],
    ["a subagent", { name: "Agent", input: { subagent_type: "Explore", prompt: "secret" } }, "Explore"],
    ["a subagent of an older version", { name: "Task", input: { subagent_type: "Explore" } }, "Explore"],
    ["any other tool", { name: "Bash", input: { skill: "pdf", subagent_type: "x" } }, null],
  ])("looks at the target of %s", (_, fields, target) => {
    const [call] = follow([callLine("a", fields), resultLine("a")])
    assert.strictEqual(call?.target, target)
  })

  it("knows the subagent from the entry, else from the note beside the transcript", () => {
    const lines = [
      callLine("a", { more: { attributionAgent: "reviewer" } }),
      callLine("b"),
      resultLine("a"),
      resultLine("b"),
    ]
    assert.deepStrictEqual(
      follow(lines, TranscriptFollower.begin("Explore")).map((call) => call.subagent),
      ["reviewer", "Explore"],
    )
  })

  it("finishes each call once, and none without a result", () => {
    const follower = TranscriptFollower.begin(null)
    assert.lengthOf(
      follow([callLine("a"), resultLine("b"), callLine("c"), resultLine("c"), resultLine("c")], follower),
      1,
    )
    assert.strictEqual(follower.openCalls, 1)
  })

  it("continues in the middle with what it carried, and refuses what it cannot read", () => {
    const first = TranscriptFollower.begin("Explore")
    follow([textLine("hello", { cwd: "/start" }), callLine("a", { cwd: "/later", millis: 1000 })], first)
    const second = Option.getOrThrow(TranscriptFollower.resume(first.carried, null))
    const [call] = follow([resultLine("a", { millis: 4000 })], second)
    assert.deepInclude(call, { toolUseId: "a", durationMs: 3000, subagent: "Explore", sessionStart: "/start" })
    assert.isTrue(Option.isNone(TranscriptFollower.resume("{}", null)))
    assert.isTrue(Option.isNone(TranscriptFollower.resume("no", null)))
  })

  it("pairs each result with the newest call of its id, in whatever order they come", () => {
    const step = fc.record({ id: fc.constantFrom("a", "b", "c"), isCall: fc.boolean(), goesOn: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const open = new Map<string, number>()
        const early = new Map<string, number>()
        let follower = TranscriptFollower.begin(null)
        for (const [millis, { id, isCall, goesOn }] of steps.entries()) {
          const calls = follow([isCall ? callLine(id, { millis }) : resultLine(id, { millis })], follower)
          const [own, others] = isCall ? [open, early] : [early, open]
          const other = others.get(id)
          // A duration cannot be negative.
          const durationMs = other === undefined || isCall ? null : millis - other
          assert.deepStrictEqual(
            calls.map(({ toolUseId, durationMs }) => [toolUseId, durationMs]),
            other === undefined ? [] : [[id, durationMs]],
          )
          if (other === undefined) own.set(id, millis)
          else others.delete(id)
          if (goesOn) follower = Option.getOrThrow(TranscriptFollower.resume(follower.carried, null))
          assert.strictEqual(follower.openCalls, open.size)
        }
      }),
    )
  })

  it("keeps the newest thousand results that wait for their calls", () => {
    const follower = TranscriptFollower.begin(null)
    const ids = Array.from({ length: 1001 }, (_, n) => `toolu_${n}`)
    follow(
      ids.map((id) => resultLine(id)),
      follower,
    )
    assert.lengthOf(follow([callLine("toolu_0"), callLine("toolu_1"), callLine("toolu_1000")], follower), 2)
  })

  it("leaves out a duration that would be negative, or longer than a year, and a time that is none", () => {
    const [backwards, timeless, endless, longest] = follow([
      callLine("a", { millis: 5000 }),
      resultLine("a", { millis: 4000 }),
      callLine("b", { millis: 9000 }),
      resultLine("b", { more: { timestamp: "yesterday" } }),
      callLine("c", { millis: 0 }),
      resultLine("c", { millis: LONGEST_DURATION_MILLIS + 1 }),
      callLine("d", { millis: 0 }),
      resultLine("d", { millis: LONGEST_DURATION_MILLIS }),
    ])
    assert.deepInclude(backwards, {
      durationMs: null,
      durationIsEstimated: false,
      usedAt: Timestamp.fromEpochMillis(4000),
    })
    assert.deepInclude(timeless, { durationMs: null, usedAt: Timestamp.fromEpochMillis(9000) })
    assert.deepInclude(endless, { durationMs: null, durationIsEstimated: false })
    assert.deepInclude(longest, { durationMs: LONGEST_DURATION_MILLIS, durationIsEstimated: true })
  })

  it("refuses a time whose year has five digits", () => {
    const [call] = follow([callLine("a"), resultLine("a", { more: { timestamp: "+010000-01-01T00:00:00.000Z" } })])
    assert.strictEqual(call?.usedAt, Timestamp.fromEpochMillis(0))
  })

  it("never throws, whatever an entry is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const entry = decodeEntry(value)
        TranscriptFollower.begin(null).follow(entry, [])
        assert.isArray(entry.requested)
      }),
    )
  })
})
