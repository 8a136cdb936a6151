import { assert, describe, it } from "@effect/vitest"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { decodeEntry } from "../../src/domain/agents/claudeCodeTranscript.ts"
import { decodeLine, readEntry } from "../../src/layers/agents/readTranscript.ts"
import { callLine, resultLine, textLine } from "../support/transcripts.ts"

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
    "C:\\\\Users\\\\me",
    "The user doesn't want to proceed with this tool use",
    "[Request interrupted by user for tool use]",
    "<tool_use_error>Sibling tool call errored</tool_use_error>",
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

/** What a careless reader would take for a part of the entry. */
const mimics = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      type: fc.constantFrom("assistant", "user", "tool_use", "tool_result"),
      sessionId: fc.constant("nested"),
      cwd: fc.constant("/nested"),
      timestamp: fc.constant("2020-01-01T00:00:00.000Z"),
      attributionAgent: fc.constant("nested"),
      id: fc.constant("nested"),
      name: fc.constant("nested"),
      tool_use_id: fc.constant("nested"),
      is_error: fc.boolean(),
      message: fc.record({ content: fc.constant([{ type: "tool_use", id: "nested", name: "nested" }]) }),
      content: fc.constant([{ type: "tool_result", tool_use_id: "nested" }]),
    },
    { requiredKeys: [] },
  ),
)

const blocks = fc.oneof(
  fc.record(
    {
      type: maybe(fc.constantFrom("tool_use", "tool_result", "text")),
      id: maybe(ids),
      name: maybe(ids),
      input: fc.oneof(mimics, fc.record({ skill: texts, subagent_type: texts }), fc.dictionary(texts, texts)),
      tool_use_id: maybe(ids),
      is_error: maybe(fc.boolean()),
      content: fc.oneof(texts, fc.array(fc.record({ type: fc.constant("text"), text: texts })), mimics),
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
          arbitrary: fc.record({ role: texts, content: fc.oneof(fc.array(blocks), texts), usage: mimics }),
        },
        { weight: 1, arbitrary: fc.jsonValue() },
      ),
      timestamp: maybe(times),
      attributionAgent: maybe(ids),
      toolUseResult: mimics,
      extra: fc.oneof(fc.double(), mimics),
    },
    { requiredKeys: [] },
  )
  .chain((entry) =>
    // Keys in any order, as other versions may write them.
    fc
      .shuffledSubarray(Object.entries(entry), { minLength: Object.keys(entry).length })
      .map((fields) => Object.fromEntries(fields)),
  )

/** The line as one of many in a file, with what a reader that runs over its end would meet. */
const inFile = <A>(read: (bytes: Buffer, from: number, to: number) => A, line: string): A => {
  const bytes = Buffer.from(`{"type":"before"}\n${line}\n{"sessionId":"after"}]}"\n`)
  const start = bytes.indexOf("\n") + 1
  return read(bytes, start, start + Buffer.byteLength(line))
}

const plain = Option.liftThrowable((line: string) => decodeEntry(JSON.parse(line)))

const lines = fc.oneof(
  { weight: 6, arbitrary: entries.map((entry) => JSON.stringify(entry)) },
  entries.map((entry) => JSON.stringify(entry, undefined, 1).replaceAll("\n", " ")),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  // The same keys twice (the last counts), and keys with an escape.
  fc
    .tuple(entries, entries)
    .map(([one, other]) => `${JSON.stringify(one).slice(0, -1)},"":${JSON.stringify(other).slice(1)}`),
  fc.tuple(entries, entries).map(
    ([one, other]) =>
      `{"":0${[one, other]
        .map((entry) => `,${JSON.stringify(entry).slice(1, -1)}`)
        .join("")
        .replace(/,(?=,|$)/g, "")}}`,
  ),
  fc
    .tuple(entries, fc.constantFrom("type", "sessionId", "message", "content", "tool_use_id", "id", "tool_use"))
    .map(([entry, text]) =>
      JSON.stringify(entry).replaceAll(
        `"${text}"`,
        `"\\u${text.charCodeAt(0).toString(16).padStart(4, "0")}${text.slice(1)}"`,
      ),
    ),
)

/** The reader takes the size of an output as it is written, the parser as `JSON.stringify` writes it, which escapes no letter. */
const escapesLetters = (line: string) => /\\u00[67]/.test(line)
const withoutSizes = (entry: unknown): unknown =>
  JSON.parse(JSON.stringify(entry, (key, value) => (/^(in|out)putBytes$/.test(key) ? undefined : value)))
const sizesIn = (entry: unknown): ReadonlyArray<number | null> => {
  const sizes: Array<number | null> = []
  JSON.stringify(entry, (key, value) => {
    if (/^(in|out)putBytes$/.test(key)) sizes.push(value)
    return value
  })
  return sizes
}

describe("a line of a transcript", () => {
  it("is read as the parser reads it", () => {
    let read = 0
    fc.assert(
      fc.property(lines, (line) => {
        const same = escapesLetters(line) ? withoutSizes : identity
        assert.deepStrictEqual(same(inFile(decodeLine, line)), same(plain(line)))
        // What is no JSON is not compared: the reader only finds damage that it meets on its way (docs/limits.md).
        const parsed = Option.match(plain(line), { onNone: () => sizesIn(inFile(decodeLine, line)), onSome: sizesIn })
        for (const [place, size] of sizesIn(inFile(decodeLine, line)).entries()) {
          assert.strictEqual(size === null, parsed[place] === null)
          assert.isAtLeast(size ?? 0, parsed[place] ?? 0)
        }
        if (Option.isSome(inFile(readEntry, line))) read++
      }),
      { numRuns: 3000 },
    )
    assert.isAbove(read, 1500)
  })

  it.each([
    callLine("toolu_1", {
      cwd: "/p",
      name: "mcp__x__y",
      input: { command: 'say "hello"\n', deep: [{ a: [1.5, -2e9, null] }] },
    }),
    callLine("toolu_1", { name: "Agent", input: { subagent_type: "Explor\u00e9", prompt: 'a "b"' } }),
    callLine("toolu_1", { name: "Skill", cwd: "C:\\Users\\me", input: { skill: "pdf" } }),
    resultLine("toolu_1", { content: 'x\\"}],\n"'.repeat(100), isError: false }),
    resultLine("toolu_1", { content: [{ type: "text", text: "a" }] }),
    resultLine("toolu_1", { content: "<tool_use_error>Sibling tool call errored</tool_use_error>", isError: true }),
    textLine("hello", { cwd: "/\u00e9", more: { toolUseResult: { sessionId: "other", message: { content: [] } } } }),
  ])("is not parsed as a whole if it is written as usual: %.60s", (line) => {
    assert.isTrue(Option.isSome(inFile(readEntry, line)))
    assert.deepStrictEqual(inFile(decodeLine, line), plain(line))
  })

  it("is broken if it is cut off anywhere, or if it is cut off and another follows", () => {
    const line = callLine("toolu_1", { cwd: "/p", input: { command: "ls" } })
    for (let length = 1; length < line.length; length++) {
      assert.isTrue(Option.isNone(inFile(decodeLine, line.slice(0, length))))
      assert.isTrue(Option.isNone(inFile(decodeLine, line.slice(0, length) + line)))
    }
  })

  it.each([1, 15, 16, 31, 32, 33, 47, 48, 49, 97])("has texts of %i characters, with or without escapes", (length) => {
    for (const text of [
      "x".repeat(length),
      `${"x".repeat(length - 1)}"`,
      "\\".repeat(length),
      `"${"x".repeat(length)}"`,
    ]) {
      const line = callLine("toolu_1", { input: { command: text, [text]: [text] }, more: { tail: text } })
      assert.isTrue(Option.isSome(inFile(readEntry, line)))
      assert.deepStrictEqual(inFile(decodeLine, line), plain(line))
    }
  })
})
