import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { decode, type FinishedToolCall } from "../../src/domain/agents/claudeCodeHook.ts"
import { realPayloads } from "../support/processes.ts"

const claudeCode = { CLAUDECODE: "1" }

const call = (fields: object): FinishedToolCall => {
  const event = Either.getOrThrowWith(
    decode(JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", ...fields })),
    (error) => new Error(error.message),
  )
  assert.strictEqual(event._tag, "FinishedToolCall")
  return event as FinishedToolCall
}

const refusal = (text: string): string => {
  const result = decode(text)
  assert.isTrue(Either.isLeft(result), `${text.slice(0, 80)} was accepted`)
  return Either.isLeft(result) ? result.left.message : ""
}

describe("the payload decoder", () => {
  it("reads what Claude Code really sends", () => {
    const events = realPayloads.map((line) => Either.getOrThrow(decode(line)))
    assert.deepStrictEqual(
      events.map((event) => {
        if (event._tag === "FinishedToolCall") return `${event.toolName} ${event.failureKind ?? "ok"}`
        return event._tag === "OtherHookEvent" ? event.name : event._tag
      }),
      [
        "SessionBoundary",
        "PreToolUse",
        "Bash ok",
        "PostToolBatch",
        "Bash error",
        "Read error",
        "ToolSearch ok",
        "Bash ok",
      ],
    )
    assert.deepStrictEqual(events[7], {
      _tag: "FinishedToolCall",
      toolName: "Bash",
      agent: "claude-code",
      sessionId: "8bbcceab-0b3e-4e24-98c9-ec146b1ca8c6",
      success: true,
      toolUseId: "toolu_01J7Hz4JQN7aKxM639k1RP4M",
      durationMs: 14,
      subagent: "general-purpose",
      target: null,
      serverName: null,
      failureKind: null,
      inputBytes: new TextEncoder().encode(JSON.stringify(JSON.parse(realPayloads[7] ?? "").tool_input)).length,
      outputBytes: new TextEncoder().encode(JSON.stringify(JSON.parse(realPayloads[7] ?? "").tool_response)).length,
      cwd: "/tmp/shp-hooks-base-dwqg6d95",
      unusableFields: [],
    })
  })

  it("skips a byte order mark, unknown fields and white space around", () => {
    const text = `\ufeff${JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "Bash", brand_new: [1] })}\n`
    assert.strictEqual(Either.getOrThrow(decode(text))._tag, "FinishedToolCall")
  })

  it("reads a call without tool_use_id, session and duration", () => {
    const { toolUseId, sessionId, durationMs, unusableFields } = call({})
    assert.deepStrictEqual([toolUseId, sessionId, durationMs, unusableFields], [null, null, null, []])
  })

  it("reads past a huge tool_response", () => {
    assert.strictEqual(call({ tool_response: "x".repeat(20_000_000) }).toolName, "Bash")
  })

  it.each([
    [31_622_400_000, 31_622_400_000, []],
    [31_622_400_001, null, ["duration_ms"]],
  ])("takes a duration of %i ms for %s", (duration_ms, durationMs, unusable) => {
    const event = call({ duration_ms })
    assert.deepStrictEqual([event.durationMs, event.unusableFields], [durationMs, unusable])
  })

  it("treats unusable optional fields as absent, and says which", () => {
    const event = call({
      session_id: 7,
      tool_use_id: "x".repeat(2000),
      duration_ms: -1,
      agent_type: "a\u0000b",
      mcp_server: "github",
      cwd: ["/"],
    })
    assert.deepStrictEqual(event.unusableFields, [
      "session_id",
      "tool_use_id",
      "duration_ms",
      "agent_type",
      "mcp_server",
      "cwd",
    ])
    assert.isNull(event.sessionId)
    assert.isNull(event.toolUseId)
    assert.isNull(event.durationMs)
    assert.isNull(event.subagent)
    assert.isNull(event.cwd)
  })

  it.each([
    [{ tool_name: "Skill", tool_input: { skill: "pdf", args: "secret" } }, "pdf"],
    [{ tool_name: "Skill", tool_input: { command: "xlsx" } }, "xlsx"],
    [{ tool_name: "Agent", tool_input: { subagent_type: "Explore", prompt: "secret" } }, "Explore"],
    [{ tool_name: "Task", tool_input: { subagent_type: "reviewer" } }, "reviewer"],
    [{ tool_name: "Agent", tool_input: {} }, null],
    [{ tool_name: "Skill", tool_input: "pdf" }, null],
    [{ tool_name: "Bash", tool_input: { skill: "pdf", subagent_type: "x" } }, null],
  ])("%j has the target %s", (fields, target) => {
    assert.strictEqual(call(fields).target, target)
  })

  it.each([
    [{ tool_name: "mcp__github__search" }, "github"],
    [{ tool_name: "mcp__plugin_a_b__c" }, "plugin_a_b"],
    [{ tool_name: "mcp__plugin_a_b__c", mcp_server: { name: "b", source: "plugin:a" } }, "b"],
    [{ tool_name: "Bash" }, null],
  ])("%j has the server %s", (fields, server) => {
    assert.strictEqual(call(fields).serverName, server)
  })

  it.each([
    [{}, "error"],
    [{ is_interrupt: false }, "error"],
    [{ is_interrupt: true }, "interrupted"],
    [{ error: "<tool_use_error>Sibling tool call errored</tool_use_error>" }, "cancelled"],
    [{ error: "<tool_use_error>Cancelled: parallel tool call Bash(ls) errored</tool_use_error>" }, "cancelled"],
    [{ error: "it says: <tool_use_error>Sibling tool call errored" }, "error"],
    [{ error: 7 }, "error"],
  ])("a failure with %j is of the kind %s", (fields, kind) => {
    const event = call({ hook_event_name: "PostToolUseFailure", error: "x", ...fields })
    assert.isFalse(event.success)
    assert.strictEqual(event.failureKind, kind)
  })

  it.each(["SessionStart", "SessionEnd"])("takes %s of Claude Code alone as a session's boundary", (name) => {
    const decoded = (fields: object) =>
      Either.getOrThrow(decode(JSON.stringify({ hook_event_name: name, ...fields }), claudeCode))
    assert.deepStrictEqual(decoded({}), { _tag: "SessionBoundary" })
    assert.deepStrictEqual(decoded({ cursor_version: "2" }), { _tag: "OtherHookEvent", name })
  })

  it.each(["sessionStart", "Stop", "postToolUse", "SomethingNew"])("accepts and ignores %s", (name) => {
    assert.deepStrictEqual(Either.getOrThrow(decode(JSON.stringify({ hook_event_name: name }))), {
      _tag: "OtherHookEvent",
      name,
    })
  })

  it.each([
    ["", "it is empty"],
    [" \n", "it is empty"],
    ['{"hook_event_name":"PostToolUse","tool_na', "not one JSON value"],
    ["rm -rf", "not one JSON value"],
    ["{}{}", "not one JSON value"],
    ["null", "it is null"],
    ["[]", "it is an array"],
    ["3", "it is a number"],
    ["{}", "hook_event_name is missing"],
    ['{"hook_event_name":3}', "hook_event_name is not a text"],
    ['{"hook_event_name":"PostToolUse"}', "tool_name is missing"],
    ['{"hook_event_name":"PostToolUse","tool_name":""}', "tool_name is empty"],
    ['{"hook_event_name":"PostToolUse","tool_name":{}}', "tool_name is not a text"],
    ['{"hook_event_name":"PostToolUse","tool_name":"a\\u0000b"}', "control character"],
    [JSON.stringify({ hook_event_name: "PostToolUse", tool_name: "x".repeat(10_000) }), "10000 characters long"],
  ])("refuses %.60s: %s", (text, reason) => {
    assert.include(refusal(text), reason)
  })

  it("reads input that is nested a hundred thousand deep", () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
    assert.include(refusal(deep), "it is an array")
    const text = `{"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":${deep}}`
    assert.strictEqual(Either.getOrThrow(decode(text))._tag, "FinishedToolCall")
  })

  it("never quotes the payload in a message", () => {
    for (const text of ["my-password", '{"hook_event_name":"my-password', '["my-password"]']) {
      assert.notInclude(refusal(text), "password")
    }
  })

  it("stores lone surrogates as the replacement character", () => {
    assert.strictEqual(call({ tool_name: "a\ud800" }).toolName, "a\ufffd")
  })
})
