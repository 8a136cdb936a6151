import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import {
  changesToRegister,
  changesToUnregister,
  findHandlers,
  listedEvents,
  type SettingsChange,
} from "../../src/domain/agents/claudeCodeSettings.ts"
import { changeJsonText, parseJsonText } from "../../src/layers/agents/jsonText.ts"

const registration = {
  command: { command: "/usr/bin/node", args: ["/opt/tooltrail-hook.cjs"] },
  isAsync: false,
  endpoint: undefined,
}

const valueOf = (text: string): unknown => Either.getOrThrow(parseJsonText(text)).value

const plain = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A

const register = (text: string) => changeJsonText(text, changesToRegister(valueOf(text), registration, undefined))

const change = (text: string, ...changes: ReadonlyArray<SettingsChange>) => changeJsonText(text, changes)

describe("an edit of a JSON text", () => {
  it("keeps comments in place when values come and go", () => {
    const text = '{\n  // first\n  "a": 1, // of a\n  "b": 2 /* of b */\n  // last\n}\n'
    const added = change(text, { kind: "set", path: ["c"], value: [] })
    assert.strictEqual(added, '{\n  // first\n  "a": 1, // of a\n  "b": 2, /* of b */\n  // last\n  "c": []\n}\n')
    assert.strictEqual(change(added, { kind: "remove", path: ["c"] }), text)
    assert.strictEqual(
      change(text, { kind: "remove", path: ["a"] }),
      '{\n  // first\n   // of a\n  "b": 2 /* of b */\n  // last\n}\n',
    )
    assert.strictEqual(
      change(text, { kind: "remove", path: ["b"] }),
      '{\n  // first\n  "a": 1 // of a\n   /* of b */\n  // last\n}\n',
    )
  })

  it("moves nothing into a comment", () => {
    const inObject = change('{\n  "a": 1, // of a\n  "b": 2 }', { kind: "remove", path: ["b"] })
    assert.strictEqual(inObject, '{\n  "a": 1 // of a\n   }')
    const inList = change("[ // first\n 1, 2 ]", { kind: "remove", path: [0] })
    assert.deepStrictEqual([inList, valueOf(inList)], ["[ // first\n 2 ]", [2]])
    const lone = change("[ // lone\n 1 ]", { kind: "remove", path: [0] })
    assert.deepStrictEqual([lone, valueOf(lone)], ["[ // lone\n  ]", []])
    const added = change("[ 1 // of 1\n]", { kind: "append", path: [], value: 2 })
    assert.deepStrictEqual([added, valueOf(added)], ["[ 1, 2 // of 1\n]", [1, 2]])
  })

  it("removes from lists on one line", () => {
    const text = '{"l": [1, 2, 3]}'
    const without = (place: number) => change(text, { kind: "remove", path: ["l", place] })
    assert.deepStrictEqual([0, 1, 2].map(without), ['{"l": [2, 3]}', '{"l": [1, 3]}', '{"l": [1, 2]}'])
    assert.strictEqual(change('{"l": [1]}', { kind: "remove", path: ["l", 0] }), '{"l": []}')
  })

  it.each<[string, string]>([
    ["{", "line 1, column 2: close brace expected"],
    ['{\r\n  "a": 1,\r\n}', "line 3, column 1: property name expected"],
    ['{"a" 1}', "line 1, column 6: colon expected"],
    ["// nothing", "line 1, column 11: value expected"],
  ])("names the place at which %j is wrong", (text, expected) => {
    assert.include(
      Either.getOrElse(Either.flip(parseJsonText(text)), () => ""),
      expected,
    )
  })

  it("of any settings with comments: keeps every comment, and what the text says", () => {
    const hook = { type: "command", command: "tooltrail hook" }
    const group = fc.constantFrom({ hooks: [hook] }, { matcher: "Bash", hooks: [{ command: "x" }, hook, hook] }, {})
    const settings = fc.record(
      {
        a: fc.jsonValue({ maxDepth: 1 }),
        hooks: fc.dictionary(fc.constantFrom("PostToolUse", "Stop"), fc.array(group)),
      },
      { requiredKeys: [] },
    )
    const comments = fc.array(fc.constantFrom("", "", " // c", " /* c */", "\n// c", "\n/* c", " */"), { minLength: 8 })
    fc.assert(
      fc.property(settings, comments, fc.boolean(), (value, comments, closesInLine) => {
        const lines = JSON.stringify(value, null, 2).split("\n")
        const commented = lines
          .map((line, place) => line + (comments[place % comments.length] ?? "").replace(/^\n\/\* c$/, "\n/* c\n*/"))
          .join("\n")
          .replaceAll(" */ */", " */")
        const text = closesInLine ? commented.replace(/\n\s*([}\]])/g, " $1") : commented
        fc.pre(Either.isRight(parseJsonText(text)))
        const takeOut = (content: string) =>
          changeJsonText(content, changesToUnregister(valueOf(content), undefined, listedEvents(valueOf(text))))
        const count = (content: string) => content.split("c */").length + content.split("// c").length
        for (const edited of [register(text), takeOut(text), takeOut(register(text))]) {
          assert.isTrue(Either.isRight(parseJsonText(edited)), edited)
          assert.isAtLeast(count(edited), takeOut(text) === text ? count(text) : 0)
        }
        assert.deepStrictEqual(changesToRegister(valueOf(register(text)), registration, undefined), [])
        const back = plain(valueOf(takeOut(register(text)))) as { a?: unknown }
        assert.deepStrictEqual(findHandlers(back, undefined), [])
        assert.deepStrictEqual(back.a, plain(value).a)
      }),
      { numRuns: 100 },
    )
  })
})
