import { assert, describe, it } from "@effect/vitest"
import { agentOf } from "../../src/domain/agents/agents.ts"

/** What Claude Code and the agents that imitate it have in common. */
const shared = { hook_event_name: "PostToolUse", session_id: "s", cwd: "/p", tool_name: "Bash", tool_input: {} }
const transcript_path = "/home/ana/.claude/projects/-p/8bbcceab.jsonl"

/** The variables that an agent inherits if it is started from a shell of Claude Code, or from one of Gemini. */
const inClaude = { CLAUDECODE: "1", CLAUDE_PROJECT_DIR: "/p" }
const inGemini = { GEMINI_SESSION_ID: "g", CLAUDE_PROJECT_DIR: "/p" }

const codex = { turn_id: "t", transcript_path: null, model: "gpt-5", tool_use_id: "call_1", tool_response: "ok" }
const cursor = { cursor_version: "3.1.15", workspace_roots: ["/p"], conversation_id: "c", cwd: "" }
const gemini = {
  timestamp: "2026-09-01T10:00:00.000Z",
  transcript_path: "/home/ana/.gemini/tmp/1/chats/session-1.jsonl",
}
const qwen = { ...gemini, transcript_path: "/home/ana/.qwen/projects/-p/chats/s.jsonl", tool_use_id: "call_2" }
const copilot = { timestamp: "2026-09-01T10:00:00.000Z", tool_result: { result_type: "success" } }
const copilotFailure = { timestamp: gemini.timestamp, hook_event_name: "PostToolUseFailure", error: "x" }
const droid = { transcript_path: "/home/ana/.factory/projects/-p/s.jsonl", permission_mode: "default" }
const devin = { cwd: undefined, tool_use_id: "toolu_1", tool_response: { success: true, output: "", error: null } }

describe("the agent of a hook's payload", () => {
  it.each<[object, string]>([
    [codex, "codex"],
    [{ transcript_path: "/home/ana/.codex/sessions/2026/09/01/rollout-1.jsonl" }, "codex"],
    [{ transcript_path: "C:\\codex\\sessions\\rollout-2026-09-01-1.jsonl" }, "codex"],
    [cursor, "cursor"],
    [{ hook_event_name: "postToolUse" }, "cursor"],
    [gemini, "gemini-cli"],
    [qwen, "qwen-code"],
    [copilot, "copilot-cli"],
    [copilotFailure, "copilot-cli"],
    [droid, "droid"],
    [devin, "devin"],
    [{ transcript_path }, "claude-code"],
    [{ transcript_path: "C:\\Users\\ana\\.claude\\projects\\C--p\\8bbcceab.jsonl" }, "claude-code"],
    [{ transcript_path: "/etc/claude/projects/-p/8bbcceab.jsonl" }, "claude-code"],
    [{ tool_use_id: "toolu_015R8tPjv7FUHuW6MDJj8HpT" }, "claude-code"],
  ])("shows in the payload %j, wherever it runs: %s", (fields, agent) => {
    for (const environment of [{}, inClaude, inGemini]) {
      assert.strictEqual(agentOf({ ...shared, ...fields }, environment), agent)
    }
  })

  it.each<[object, Record<string, string>, string]>([
    [{}, { CLAUDECODE: "1" }, "claude-code"],
    [{}, { CLAUDE_PROJECT_DIR: "/p" }, "claude-code"],
    [{ timestamp: "2026-09-01T10:00:00.000Z" }, inGemini, "gemini-cli"],
    [{}, { CURSOR_PROJECT_DIR: "/p", ...inClaude }, "cursor"],
    [{}, { DEVIN_PROJECT_DIR: "/p", ...inClaude }, "devin"],
    [{}, { GROK_SESSION_ID: "x", CLAUDE_PROJECT_DIR: "/p" }, "grok"],
    [{}, { GROK_SESSION_ID: "x", GEMINI_SESSION_ID: "inherited" }, "grok"],
    [{}, { FACTORY_PROJECT_DIR: "/p" }, "droid"],
  ])("with the payload %j shows in the environment %j: %s", (fields, environment, agent) => {
    assert.strictEqual(agentOf({ ...shared, ...fields }, environment), agent)
  })

  it.each<[object, Record<string, string>]>([
    [{}, {}],
    [{ tool_use_id: "call_1", tool_response: "ok" }, {}],
    [{ transcript_path: "/home/ana/.another/projects/-p/s.jsonl" }, {}],
    [{ timestamp: "2026-09-01T10:00:00.000Z" }, inClaude],
    [{}, inGemini],
    [{}, { GROK_SESSION_ID: "x", DEVIN_PROJECT_DIR: "/p" }],
  ])("with the payload %j and the environment %j is unknown", (fields, environment) => {
    assert.strictEqual(agentOf({ ...shared, ...fields }, environment), "unknown")
  })
})
