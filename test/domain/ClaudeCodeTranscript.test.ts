import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import {
  decodeEntry,
  type TranscriptCall,
  TranscriptFollower,
  toToolUse,
} from "../../src/domain/ClaudeCodeTranscript.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { makeLineScanner } from "../../src/layers/scanTranscriptLine.ts"
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
  ])("knows a failure with %s", (_, content, kind) => {
    const [call] = follow([callLine("a"), resultLine("a", { content, isError: true })])
    assert.deepStrictEqual([call?.success, call?.failureKind], [false, kind as never])
  })

  it("takes a result as a success that says nothing of an error, whatever its text", () => {
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

  it("says who speaks: the entry, else the note beside the transcript", () => {
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

  it("finishes no call without a result, and none without a call", () => {
    const follower = TranscriptFollower.begin(null)
    assert.lengthOf(
      follow([callLine("a"), resultLine("b"), callLine("c"), resultLine("c"), resultLine("c")], follower),
      1,
    )
    assert.strictEqual(follower.openCalls, 1)
  })

  it("goes on in the middle with what it carried, and refuses what it cannot read", () => {
    const first = TranscriptFollower.begin("Explore")
    follow([textLine("hello", { cwd: "/start" }), callLine("a", { cwd: "/later", millis: 1000 })], first)
    const second = Option.getOrThrow(TranscriptFollower.resume(first.carried, null))
    const [call] = follow([resultLine("a", { millis: 4000 })], second)
    assert.deepInclude(call, { toolUseId: "a", durationMs: 3000, subagent: "Explore", sessionStart: "/start" })
    assert.isTrue(Option.isNone(TranscriptFollower.resume("{}", null)))
    assert.isTrue(Option.isNone(TranscriptFollower.resume("no", null)))
  })

  it("leaves out a duration that would be negative, and a time that is none", () => {
    const [backwards, timeless] = follow([
      callLine("a", { millis: 5000 }),
      resultLine("a", { millis: 4000 }),
      callLine("b", { millis: 9000 }),
      resultLine("b", { more: { timestamp: "yesterday" } }),
    ])
    assert.deepInclude(backwards, {
      durationMs: null,
      durationIsEstimated: false,
      usedAt: Timestamp.fromEpochMillis(4000),
    })
    assert.deepInclude(timeless, { durationMs: null, usedAt: Timestamp.fromEpochMillis(9000) })
  })

  it("writes times as everything else does", () => {
    const times = fc.integer({ min: Date.parse("0000-01-01"), max: Date.parse("9999-12-31") })
    fc.assert(
      fc.property(times, fc.array(fc.nat({ max: 200_000_000 })), (first, steps) => {
        let millis = first
        for (const step of [0, ...steps]) {
          millis += step
          const [call] = follow([
            callLine("a"),
            resultLine("a", { more: { timestamp: new Date(millis).toISOString() } }),
          ])
          if (millis <= Date.parse("9999-12-31")) assert.strictEqual(call?.usedAt, Timestamp.fromEpochMillis(millis))
        }
      }),
    )
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

/** Texts that hold what a careless reader would stumble over. */
const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    '"type":"tool_use","id":"x"',
    '\\"',
    "\\\\",
    '\\\\\\"}],"timestamp":"2026-01-01T00:00:00.000Z"',
    '{"type":"tool_result","tool_use_id":"y"}',
    "The user doesn't want to proceed with this tool use",
    "[Request interrupted by user for tool use]",
    " \u00a0The user doesn't want to take this action right now",
    "\u2028\u0007",
    "x".repeat(100),
    `${"x".repeat(47)}"`,
    `${"x".repeat(46)}\\"tail`,
    "é".repeat(60),
    "",
  ),
)

const ids = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("toolu_1", "Bash", "mcp__x__y", "s-1") },
  fc.constantFrom("Skill", "Agent", "é", "", "a\nb", "x".repeat(1025)),
  texts,
)

const maybe = <A>(value: fc.Arbitrary<A>) =>
  fc.oneof({ weight: 40, arbitrary: value }, { weight: 1, arbitrary: fc.jsonValue() })

const blocks = fc.oneof(
  fc.record(
    {
      type: maybe(fc.constantFrom("tool_use", "tool_result", "text")),
      id: maybe(ids),
      name: maybe(ids),
      input: fc.oneof(fc.jsonValue(), fc.record({ skill: texts, subagent_type: texts }), fc.dictionary(texts, texts)),
      tool_use_id: maybe(ids),
      is_error: maybe(fc.boolean()),
      content: fc.oneof(texts, fc.array(fc.record({ type: fc.constant("text"), text: texts })), fc.jsonValue()),
      text: texts,
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
)

const times = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .date({ noInvalidDate: true, min: new Date("1960-01-01"), max: new Date("2100-01-01") })
      .map((date) => date.toISOString()),
  },
  fc.constantFrom("2026-02-31T10:00:00.000Z", "2026-13-01T10:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01"),
  fc.constantFrom("20x6-01-01T10:00:00.000Z", "2026-01-01T10:60:00.000Z", "2026-01-01T10:00:00.0000"),
  texts,
)

const entries = fc
  .record(
    {
      parentUuid: fc.option(texts),
      isSidechain: fc.boolean(),
      cwd: maybe(fc.oneof({ weight: 8, arbitrary: fc.constantFrom("/p", "/é") }, fc.constant("/p\u0000"), texts)),
      sessionId: maybe(ids),
      type: maybe(fc.constantFrom("assistant", "user", "system", "progress")),
      message: fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({ role: texts, content: fc.oneof(fc.array(blocks), texts), usage: fc.jsonValue() }),
        },
        { weight: 1, arbitrary: fc.jsonValue() },
      ),
      timestamp: maybe(times),
      attributionAgent: maybe(ids),
      toolUseResult: fc.jsonValue(),
      extra: fc.oneof(fc.double(), fc.jsonValue()),
    },
    { requiredKeys: [] },
  )
  .chain((entry) =>
    // Keys in any order, as other versions may write them.
    fc
      .shuffledSubarray(Object.entries(entry), { minLength: Object.keys(entry).length })
      .map((fields) => Object.fromEntries(fields)),
  )

describe("the scanner of lines", () => {
  const scan = makeLineScanner()

  /** As a line in the middle of a file. */
  const scanLine = (text: string) => {
    const bytes = Buffer.from(`{"type":"before"}\n${text}\n{"sessionId":"after"}\n`)
    const start = bytes.indexOf("\n") + 1
    return scan(bytes, start, bytes.length - '{"sessionId":"after"}\n'.length - 1)
  }

  const lines = fc.oneof(
    entries.map((entry) => JSON.stringify(entry)),
    entries.map((entry) => JSON.stringify(entry, undefined, 1).replaceAll("\n", " ")),
    fc.jsonValue().map((value) => JSON.stringify(value)),
  )

  it("says of a line that is JSON what the parser says, or that it is not sure", () => {
    let sure = 0
    fc.assert(
      fc.property(lines, (line) => {
        const scanned = scanLine(line)
        if (scanned === undefined) return
        sure++
        assert.deepStrictEqual(scanned, decode(line))
      }),
      { numRuns: 3000 },
    )
    assert.isAbove(sure, 500)
  })

  it("is sure of what transcripts hold nearly always", () => {
    for (const line of [
      callLine("toolu_1", {
        cwd: "/p",
        name: "mcp__x__y",
        input: { command: 'say "hello"\n', deep: [{ a: [1.5, -2, null] }] },
      }),
      resultLine("toolu_1", { content: 'x\\"}],\n"'.repeat(100), isError: false }),
      resultLine("toolu_1", { content: [{ type: "text", text: "a" }] }),
      resultLine("toolu_1", { content: "Exit code 1", isError: true }),
      textLine("hello", { cwd: "/é" }),
    ]) {
      const scanned = scanLine(line)
      assert.isDefined(scanned, line)
      assert.deepStrictEqual(scanned, decode(line))
    }
  })

  it.each([
    "The user doesn't want to proceed with this tool use.",
    " The user doesn't want to take this action right now.",
    "\u00a0[Request interrupted by user for tool use]",
    [{ type: "text", text: "[Request interrupted by user for tool use]" }],
  ])("takes no refusal for an error of the tool: %j", (content) => {
    const line = resultLine("toolu_1", { content, isError: true })
    assert.deepStrictEqual(decode(line).results, [{ toolUseId: "toolu_1", failureKind: "interrupted" }])
    assert.deepStrictEqual(scanLine(line) ?? decode(line), decode(line))
  })

  it("is sure of a line that is no JSON only where nothing but a text is damaged", () => {
    const damage = fc.record({
      at: fc.nat(),
      deleted: fc.nat({ max: 3 }),
      inserted: fc.constantFrom("", '"', "\\", "{", "}", "[", "]", ",", ":", "x", "1", '"}', "null", "\t", "\u0001"),
    })
    const isJson = (text: string) => {
      try {
        JSON.parse(text)
        return true
      } catch {
        return false
      }
    }
    /** With the escapes and characters mended that no text in JSON may hold. */
    const mended = (text: string) =>
      text
        .replace(/\\(["\\/bfnrt]|u[0-9a-fA-F]{4})|\\/g, (found, escaped) => (escaped === undefined ? "\\\\" : found))
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is mended
        .replace(/[\u0000-\u001f]/g, " ")
    fc.assert(
      fc.property(lines, damage, (line, { at, deleted, inserted }) => {
        const place = at % (line.length + 1)
        const damaged = line.slice(0, place) + inserted + line.slice(place + deleted)
        const scanned = scanLine(damaged)
        if (scanned === undefined) return
        if (isJson(damaged)) assert.deepStrictEqual(scanned, decode(damaged))
        else assert.isTrue(isJson(mended(damaged)), damaged)
      }),
      { numRuns: 3000 },
    )
  })

  it("tells each day from the day before", () => {
    const first = Date.parse("2023-12-20T23:59:59.999Z")
    for (let day = 0; day < 500; day++) {
      const line = textLine("hello", { millis: first + day * 86_400_000 })
      assert.strictEqual(scanLine(line)?.millis, first + day * 86_400_000)
    }
  })

  it("is not sure of a line that is cut off anywhere, nor of two that are run together", () => {
    const line = callLine("toolu_1", { cwd: "/p", input: { command: "ls" } })
    for (let length = 1; length < line.length; length++) {
      assert.isUndefined(scanLine(line.slice(0, length)))
      assert.isUndefined(scanLine(line.slice(0, length) + line))
    }
  })
})
