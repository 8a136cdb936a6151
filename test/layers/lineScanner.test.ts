import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { decodeEntry } from "../../src/domain/agents/claudeCodeTranscript.ts"
import { makeLineScanner } from "../../src/layers/lineScanner/scanLine.ts"
import { callLine, resultLine, textLine } from "../support/transcripts.ts"

const decode = (line: string) => decodeEntry(JSON.parse(line))

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
  const { buffer, scan } = makeLineScanner(1_000_000)

  /** As a line in the middle of a file. */
  const scanLine = (text: string) => {
    const bytes = Buffer.from(`{"type":"before"}\n${text}\n{"sessionId":"after"}\n`)
    const start = bytes.indexOf("\n") + 1
    bytes.copy(buffer)
    return scan(start, bytes.length - '{"sessionId":"after"}\n'.length - 1)
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

  it("says the same of lines that follow each other in a buffer, and of those that take their place", () => {
    const members = fc.record(
      {
        cwd: fc.constantFrom("/p", "/q", "/é"),
        sessionId: fc.constantFrom("s-1", "s-2"),
        version: fc.constantFrom("1", "2"),
      },
      { requiredKeys: [] },
    )
    const follower = fc
      .tuple(fc.option(fc.record({ parentUuid: fc.constantFrom("a", "b") })), members, entries)
      .map(([first, repeated, entry]) => JSON.stringify({ ...first, ...repeated, ...entry, ...repeated }))
    const buffers = fc.array(fc.array(fc.oneof({ weight: 4, arbitrary: follower }, lines), { maxLength: 6 }))
    let sure = 0
    fc.assert(
      fc.property(buffers, (filled) => {
        for (const together of filled) {
          buffer.write(`${together.join("\n")}\n`)
          let start = 0
          for (const line of together) {
            const end = start + Buffer.byteLength(line)
            const scanned = scan(start, end)
            if (scanned !== undefined) {
              sure++
              assert.deepStrictEqual(scanned, decode(line))
            }
            start = end + 1
          }
        }
      }),
      { numRuns: 300 },
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
      callLine("toolu_1", { name: "Agent", input: { subagent_type: "Exploré", prompt: 'a "b"' } }),
      callLine("toolu_1", { name: "Skill", input: { skill: "pdf" } }),
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

  it("counts the days of each month and year, and is not sure of others", () => {
    for (const year of [
      "0000",
      "0004",
      "0100",
      "1600",
      "1900",
      "1969",
      "1970",
      "2000",
      "2023",
      "2024",
      "2100",
      "9999",
    ]) {
      for (let month = 0; month <= 13; month++) {
        for (let day = 0; day <= 32; day++) {
          const two = (number: number) => String(number).padStart(2, "0")
          const timestamp = `${year}-${two(month)}-${two(day)}T23:59:59.999Z`
          const inMonth = new Date(Date.UTC(2000, month, 0)).setUTCFullYear(Number(year), month, 0)
          const isDay = month >= 1 && month <= 12 && day >= 1 && day <= new Date(inMonth).getUTCDate()
          const scanned = scanLine(JSON.stringify({ type: "user", timestamp }))
          assert.strictEqual(scanned?.millis, isDay ? Date.parse(timestamp) : undefined, timestamp)
        }
      }
    }
  })

  it("is not sure of a time in which any character is another", () => {
    const time = "2026-01-31T23:59:58.765Z"
    for (let place = 0; place < time.length; place++) {
      const timestamp = `${time.slice(0, place)}/${time.slice(place + 1)}`
      assert.isUndefined(scanLine(JSON.stringify({ type: "user", timestamp })), timestamp)
    }
  })

  it.each([1, 15, 16, 17, 31, 32, 33])(
    "finds the end of a text of %i characters, escapes at its end or none",
    (length) => {
      for (const text of [
        "x".repeat(length),
        `${"x".repeat(length - 1)}"`,
        `${"\\".repeat(length)}`,
        `"${"x".repeat(length)}"`,
      ]) {
        const line = callLine("toolu_1", { input: { command: text, [text]: [text] }, more: { tail: text } })
        assert.deepStrictEqual(scanLine(line), decode(line))
      }
    },
  )

  it("is not sure of a line that is cut off anywhere, nor of two that are run together", () => {
    const line = callLine("toolu_1", { cwd: "/p", input: { command: "ls" } })
    for (let length = 1; length < line.length; length++) {
      assert.isUndefined(scanLine(line.slice(0, length)))
      assert.isUndefined(scanLine(line.slice(0, length) + line))
    }
  })
})

describe("the compiled scanner", () => {
  it("is what its source compiles to", async () => {
    const { compile } = await import("../../scripts/wasm.mjs")
    assert.strictEqual(readFileSync("src/layers/lineScanner/compiledScanner.ts", "utf8"), await compile())
  })
})
