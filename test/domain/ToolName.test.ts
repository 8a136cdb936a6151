import { assert, describe, it } from "@effect/vitest"
import { extractServerName, inferScope, inferToolType } from "../../src/domain/ToolName.ts"

describe("ToolName", () => {
  it.each([
    ["Bash", "builtin", "global", null],
    ["ToolSearch", "builtin", "global", null],
    ["LS", "builtin", "global", null],
    ["web_search", "builtin", "global", null],
    ["Skill", "skill", "global", null],
    ["mcp__github__search_issues", "mcp_tool", "project", "github"],
    ["mcp__my_server__a__b", "mcp_tool", "project", "my_server"],
    ["mcp__plugin_docs_context7__query", "mcp_tool", "plugin", "plugin_docs_context7"],
    ["mcp__broken", "mcp_tool", "project", null],
    ["mcp____x", "mcp_tool", "project", null],
    ["my-tool", "unknown", "global", null],
    ["some_tool", "unknown", "global", null],
    ["", "unknown", "global", null],
  ])("%s is of type %s, in scope %s, of server %s", (name, type, scope, server) => {
    assert.strictEqual(inferToolType(name), type)
    assert.strictEqual(inferScope(name), scope)
    assert.strictEqual(extractServerName(name), server)
  })
})
