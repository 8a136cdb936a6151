import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import pc from "picocolors"
import stringWidth from "string-width"
import { fromEpochMillis } from "../../src/domain/Timestamp.ts"
import {
  ascii,
  bar,
  change,
  duration,
  formatTime,
  percent,
  sparkline,
  unicode,
} from "../../src/programs/cli/render/charts.ts"
import { renderTable } from "../../src/programs/cli/render/table.ts"
import { outputStyle, whileShowing } from "../../src/programs/cli/render/terminal.ts"
import { cut, renderDetails, sentence } from "../../src/programs/cli/render/text.ts"

const style = (width: number) => ({ colors: pc.createColors(false), glyphs: unicode, isTerminal: true, width })

describe("bar", () => {
  it.each([
    [1, "████", "####"],
    [0.5, "██  ", "##  "],
    [0.28, "█▏  ", "#   "],
    [0.001, "▏   ", "#   "],
    [0, "    ", "    "],
    [2, "████", "####"],
  ])("of %d", (part, expected, inAscii) => {
    assert.strictEqual(bar(part, 4, unicode), expected)
    assert.strictEqual(bar(part, 4, ascii), inAscii)
  })
})

describe("sparkline", () => {
  it.each([
    [[1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█", ".:-=+*#@"],
    [[0, 1, 1000], " ▁█", " .@"],
    [[0, 0], "  ", "  "],
    [[3], "█", "@"],
    [[], "", ""],
  ])("of %j", (values, expected, inAscii) => {
    assert.strictEqual(sparkline(values, unicode), expected)
    assert.strictEqual(sparkline(values, ascii), inAscii)
  })
})

describe("percent", () => {
  it.each([
    [0, 5, "0%"],
    [5, 5, "100%"],
    [1, 3, "33%"],
    [1, 1000, "<1%"],
    [999, 1000, "99%"],
    [0, 0, "0%"],
  ])("%d of %d is %s", (part, whole, expected) => {
    assert.strictEqual(percent(part, whole), expected)
  })
})

describe("change", () => {
  it.each([
    [112, 100, "▲ 12%"],
    [97, 100, "▼ 3%"],
    [100, 100, "="],
    [5, 0, "new"],
    [0, 5, "▼ 100%"],
    [1, 1000, "▼ 99%"],
    [0, 0, "–"],
    [5, null, "–"],
    [1001, 1000, "▲ <1%"],
    [999, 1000, "▼ <1%"],
    [200, 100, "▲ 100%"],
    [999, 100, "▲ 899%"],
    [1000, 100, "▲ 10×"],
  ])("%d after %j is %s", (now, before, expected) => {
    assert.strictEqual(change(now, before, unicode), expected)
    const inAscii = expected.replace("▲", "+").replace("▼", "-").replace("×", "x").replace("–", "-")
    assert.strictEqual(change(now, before, ascii), inAscii)
  })
})

describe("duration", () => {
  it.each([
    [null, "–"],
    [0, "0 ms"],
    [340, "340 ms"],
    [999, "999 ms"],
    [999.6, "1 s"],
    [1000, "1 s"],
    [2140, "2.1 s"],
    [9949, "9.9 s"],
    [9960, "10 s"],
    [59_499, "59 s"],
    [59_500, "1 min"],
    [180_000, "3 min"],
    [5_400_000, "1.5 h"],
    [3 * 86_400_000, "3 d"],
  ])("%j ms is %s", (millis, expected) => {
    assert.strictEqual(duration(millis, unicode), expected)
  })
})

describe("text that is longer than its place", () => {
  it("keeps both its ends", () => {
    assert.strictEqual(cut("mcp__github__create_issue", 16, style(80)), "mcp__git…e_issue")
    assert.strictEqual(cut("mcp__github__create_issue", 16, { glyphs: ascii }), "mcp__gi..e_issue")
    assert.strictEqual(cut("as long as that", 15, style(80)), "as long as that")
  })

  it("never takes more than its place, whatever is in it", () =>
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), fc.integer({ min: 3, max: 30 }), (text, width) => {
        assert.isAtMost(stringWidth(cut(text, width, style(80))), width)
      }),
    ))

  it("flows between its parts", () => {
    assert.strictEqual(sentence(["one call", "two sessions", "three"], style(23)), "one call, two sessions,\nthree")
    assert.strictEqual(
      renderDetails(
        [
          { label: "A", parts: ["one", "two", "three"] },
          { label: "None", parts: [] },
          { label: "Long", parts: ["x", "y\u001b"], separator: " →" },
        ],
        style(15),
      ),
      "A     one, two,\n      three\nLong  x → y\\x1b",
    )
  })

  it("a table fits its line: first without what is optional, then with what can be cut", () => {
    const columns = [
      { title: "NAME", atLeast: 5, value: (row: string) => row },
      { title: "N", value: () => "1" },
      { title: "LATER", optional: true, value: () => "z" },
    ]
    assert.strictEqual(renderTable(columns, ["abcdefgh"], style(18)), "NAME      N  LATER\nabcdefgh  1  z")
    assert.strictEqual(renderTable(columns, ["abcdefgh"], style(17)), "NAME      N\nabcdefgh  1")
    assert.strictEqual(renderTable(columns, ["abcdefgh"], style(9)), "NAME    N\nabc…gh  1")
    assert.strictEqual(renderTable(columns, ["abcdefgh"], style(5)), "NAME   N\nab…gh  1")
  })

  it("a narrow table leaves out columns, one after the other, until the rest fits; off a terminal it is whole", () => {
    const columns = [
      { title: "NAME", atLeast: 5, value: () => "abcdefgh" },
      { title: "A", dispensable: 2, value: () => "1" },
      { title: "B", dispensable: 1, value: () => "2" },
      { title: "PLACE", atLeast: 6, value: () => "stuvwxyz" },
    ]
    const at = (width: number, isTerminal = true) => renderTable(columns, [""], { ...style(width), isTerminal })
    assert.strictEqual(at(22), "NAME      A  B  PLACE\nabcdefgh  1  2  stu…yz")
    assert.strictEqual(at(19), "NAME   A  B  PLACE\nab…gh  1  2  stu…yz")
    assert.strictEqual(at(18), "NAME     A  PLACE\nabc…fgh  1  stu…yz")
    assert.strictEqual(at(14), "NAME    PLACE\nabc…gh  stu…yz")
    assert.strictEqual(at(5), "NAME   PLACE\nab…gh  stu…yz")
    assert.strictEqual(at(5, false), "NAME      A  B  PLACE\nabcdefgh  1  2  stuvwxyz")
  })
})

describe("what standard output can show", () => {
  it.effect.each<[Record<string, string>, "unicode" | "ascii"]>([
    [{}, "unicode"],
    [{ LANG: "en_US.UTF-8" }, "unicode"],
    [{ LANG: "en_US.UTF-8", LC_ALL: "C" }, "ascii"],
    [{ LANG: "C", LC_CTYPE: "de_AT.utf8" }, "unicode"],
    [{ LC_ALL: "", LANG: "de_AT.ISO-8859-1" }, "ascii"],
    [{ LANG: "en_US.UTF-8", TERM: "dumb" }, "ascii"],
    [{ LANG: "en_US.UTF-8", TERM: "linux" }, "ascii"],
    [{ LANG: "en_US.UTF-8", TERM: "xterm-256color" }, "unicode"],
  ])("under %j is %s", ([environment, expected]) =>
    outputStyle.pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))),
      Effect.map(({ glyphs }) => assert.strictEqual(glyphs, expected === "ascii" ? ascii : unicode)),
    ),
  )
})

const now = Date.UTC(2026, 10, 23, 12)

describe("formatTime", () => {
  it.each([
    [0, "now"],
    [59, "59 sec ago"],
    [60, "1 min ago"],
    [3599, "59 min ago"],
    [3600, "1 hr ago"],
    [86_399, "23 hr ago"],
    [86_400, "1 day ago"],
    [400 * 86_400, "400 days ago"],
    [-120, "in 2 min"],
  ])("%d seconds ago is %s", (seconds, expected) => {
    assert.strictEqual(formatTime(fromEpochMillis(now - seconds * 1000), { now, utc: false }), expected)
  })

  it("is absolute where that is wanted", () => {
    assert.strictEqual(formatTime(fromEpochMillis(now), { now, utc: true }), "2026-11-23 12:00:00Z")
  })
})

const written = (isTTY: boolean, work: (texts: ReadonlyArray<string>) => Effect.Effect<void, string>) =>
  Effect.gen(function* () {
    const texts: Array<string> = []
    const stream = { isTTY, write: (text: string) => texts.push(text) }
    const exit = yield* Effect.exit(Effect.suspend(() => work([...texts])).pipe(whileShowing("Looking", stream)))
    return { texts, isFailure: Exit.isFailure(exit) }
  })

describe("a line that is shown while something runs", () => {
  it.effect("is there before it begins, and gone when it ends, however it ends", () =>
    Effect.gen(function* () {
      const during: Array<ReadonlyArray<string>> = []
      const note = (texts: ReadonlyArray<string>) => Effect.sync(() => void during.push(texts))
      const well = yield* written(true, note)
      const failed = yield* written(true, (texts) => Effect.zipRight(note(texts), Effect.fail("no")))
      assert.deepStrictEqual(during, [["Looking"], ["Looking"]])
      assert.deepStrictEqual(well, { texts: ["Looking", "\r\u001b[K"], isFailure: false })
      assert.deepStrictEqual(failed, { texts: ["Looking", "\r\u001b[K"], isFailure: true })
    }),
  )

  it.effect("is not written where standard error is no terminal", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* written(false, () => Effect.void), { texts: [], isFailure: false })
    }),
  )
})
