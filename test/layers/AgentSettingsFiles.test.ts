import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import { hookEvents, type Registration, type SettingsChange } from "../../src/domain/agents/claudeCodeSettings.ts"
import { isObject, type JsonObject } from "../../src/domain/agents/payload.ts"
import { AgentSettingsFiles } from "../../src/layers/agents/ClaudeCodeSettings.ts"
import { changeJsonText, parseJsonText } from "../../src/layers/agents/jsonText.ts"
import { AgentSettings } from "../../src/services/AgentSettings.ts"
import { homeAt } from "../support/home.ts"
import { temporaryFolder } from "../support/processes.ts"

const command = { command: "/usr/bin/node", args: ["/opt/tooltrail-hook.cjs"] }
const asCommand: Registration = { command, isAsync: false, endpoint: undefined }
const asAsync: Registration = { ...asCommand, isAsync: true }

const lint = { type: "command", command: "lint" }
const group = fc.constantFrom({ matcher: "Bash", hooks: [lint] }, { hooks: [lint, lint] }, { hooks: [] }, {})

/** Settings without tooltrail's hook, among them some with empty places for hooks. */
const settings = fc
  .record({
    env: fc.option(fc.dictionary(fc.constantFrom("A", "B"), fc.string({ maxLength: 3 }))),
    hooks: fc.option(
      fc.dictionary(fc.constantFrom(...hookEvents, "Stop", "PreToolUse"), fc.array(group, { maxLength: 2 })),
    ),
  })
  .map(({ env, hooks }) => ({
    ...(env === null ? {} : { env }),
    ...(hooks === null ? {} : { hooks }),
    model: "opus",
  }))

const text = fc
  .tuple(settings, fc.constantFrom(undefined, 1, 2, 4, "\t"), fc.constantFrom("\n", "\r\n"), fc.constantFrom("", "\n"))
  .map(([value, indent, eol, end]) => (JSON.stringify(value, null, indent) + end).replaceAll("\n", eol))

/** What somebody does to the file: by hand in one place, or as a program that rewrites the whole file. */
type Edit = (text: string) => string

const valueOf = (text: string) => Either.getOrThrow(parseJsonText(text)).value as JsonObject

const byHand =
  (change: SettingsChange): Edit =>
  (text) =>
    changeJsonText(text, [change])

const rewritten =
  (field: string): Edit =>
  (text) =>
    `${JSON.stringify({ ...valueOf(text), [field]: 1 }, null, 2)}\n`

/** Adds a hook of theirs, at the end of what is there. */
const hooked =
  (event: string): Edit =>
  (text) => {
    const { hooks } = valueOf(text)
    const value = { hooks: [lint] }
    if (!isObject(hooks)) return byHand({ kind: "set", path: ["hooks"], value: { [event]: [value] } })(text)
    if (hooks[event] === undefined) return byHand({ kind: "set", path: ["hooks", event], value: [value] })(text)
    return byHand({ kind: "append", path: ["hooks", event], value })(text)
  }

/** Takes out the first of their hooks. */
const unhooked =
  (event: string): Edit =>
  (text) =>
    JSON.stringify(valueOf(text).hooks ?? {}).includes(`"${event}":[{"hooks":[${JSON.stringify(lint)}`)
      ? byHand({ kind: "remove", path: ["hooks", event, 0] })(text)
      : text

const elsewhere: fc.Arbitrary<Edit> = fc.constantFrom(
  byHand({ kind: "set", path: ["model"], value: "sonnet" }),
  byHand({ kind: "set", path: ["added"], value: { by: ["hand"] } }),
  byHand({ kind: "remove", path: ["model"] }),
  byHand({ kind: "remove", path: ["env"] }),
  rewritten("model"),
  rewritten("added"),
)

const amongHooks: fc.Arbitrary<Edit> = fc.constantFrom(
  hooked("Stop"),
  hooked("PostToolUse"),
  hooked("Notification"),
  unhooked("Stop"),
  unhooked("SessionEnd"),
)

type Between = "nothing" | "install" | "no backup"

const between = fc.constantFrom<Between[]>("nothing", "install", "no backup")

type Listed = Record<string, ReadonlyArray<unknown>>

/** After an install the text says what it said before, with one group more for each event, and keeps its line ends. */
const assertOnlyAdded = (original: string, registered: string): void => {
  const { hooks: before = {}, ...others } = valueOf(original) as { hooks?: Listed }
  const { hooks: after = {}, ...same } = valueOf(registered) as { hooks?: Listed }
  assert.deepStrictEqual(same, others)
  for (const event of hookEvents) assert.deepStrictEqual(after[event]?.slice(0, -1), before[event] ?? [])
  for (const event of ["Stop", "PreToolUse"]) assert.deepStrictEqual(after[event], before[event])
  assert.notMatch(registered, original.includes("\r\n") ? /[^\r]\n/ : /\r/)
}

/** Texts that are kept byte for byte, whatever a rewrite would make of them. */
const oddTexts: ReadonlyArray<string> = [
  '{"hooks":{"Stop":[]},"é":"ü"}',
  '{ "future": {"x":[1,\n2,  3]},\n\n\n     "hooks" : { }   ,\n  "z":null}\n\n',
  '{\n  "hooks": {\n    "PostToolUse": [],\n    "SessionStart": []\n  }\n}\n',
]

/** Install, edit, uninstall; perhaps with another install, or the loss of the backup, on the way. */
const afterUninstall = (original: string, edit: Edit, between: Between) =>
  Effect.gen(function* () {
    const folder = temporaryFolder()
    const file = { scope: "user", path: join(folder, "settings.json") } as const
    writeFileSync(file.path, original)
    yield* Effect.gen(function* () {
      const agent = yield* AgentSettings
      yield* agent.register(file, asCommand, "write")
      const registered = readFileSync(file.path, "utf8")
      assertOnlyAdded(original, registered)
      yield* agent.register(file, asCommand, "write")
      assert.strictEqual(readFileSync(file.path, "utf8"), registered, "again changes nothing")
      writeFileSync(file.path, edit(readFileSync(file.path, "utf8")))
      if (between === "install") yield* agent.register(file, asAsync, "write")
      if (between === "no backup") rmSync(`${file.path}.tooltrail-backup`)
      yield* agent.unregister(file, "write")
    }).pipe(Effect.provide(AgentSettingsFiles), Effect.provide(homeAt(join(folder, "home"))))
    return readFileSync(file.path, "utf8")
  })

describe("a settings file that was edited after the install", () => {
  const runs = { fastCheck: { numRuns: 50 } }

  it.effect.each(oddTexts)("is after the uninstall, byte for byte, what it was: %j", (text) =>
    Effect.map(
      afterUninstall(text, (same) => same, "nothing"),
      (after) => assert.strictEqual(after, text),
    ),
  )

  it.effect.prop(
    "is after the uninstall, byte for byte, as if only that edit had been made",
    { text, edit: elsewhere, between },
    ({ text, edit, between }) =>
      Effect.map(afterUninstall(text, edit, between), (after) => assert.strictEqual(after, edit(text))),
    runs,
  )

  it.effect.prop(
    "says after the uninstall what it would say if only that edit had been made, among the hooks too",
    { text, edit: amongHooks, between },
    ({ text, edit, between }) =>
      Effect.map(afterUninstall(text, edit, between), (after) =>
        assert.deepStrictEqual(valueOf(after), valueOf(edit(text))),
      ),
    runs,
  )
})
