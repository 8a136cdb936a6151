import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { findUnused } from "../../src/domain/findUnused.ts"
import { AllProjects, type ProjectSelection } from "../../src/domain/Project.ts"
import type { Timestamp } from "../../src/domain/Timestamp.ts"
import type { ToolRegistryRow } from "../../src/domain/Tool.ts"
import { inferScope, inferToolType } from "../../src/domain/ToolName.ts"
import { projectA, projectB } from "../support/toolUses.ts"

const windowStart = "2026-10-24 12:00:00" as Timestamp
const lately = "2026-10-24 12:00:00" as Timestamp
const longAgo = "2026-10-24 11:59:59" as Timestamp

const row = (name: string, fields: Partial<ToolRegistryRow> = {}): ToolRegistryRow => ({
  id: 0,
  name,
  tool_type: inferToolType(name),
  scope: inferScope(name),
  source: "hook",
  project_hash: projectA.hash,
  description: null,
  server_name: null,
  usage_count: 1,
  last_used_at: longAgo,
  discovered_at: longAgo,
  updated_at: longAgo,
  ...fields,
})

const names = (rows: ReadonlyArray<ToolRegistryRow>, project: ProjectSelection = projectA.hash) =>
  findUnused(rows, project, windowStart).map((unused) => unused.name)

describe("findUnused", () => {
  it("names tools that were not called since the window began, by the second", () => {
    assert.deepStrictEqual(names([row("Bash"), row("Read", { last_used_at: lately })]), ["Bash"])
  })

  it("makes one entry of a server if none of its tools was called, before all others", () => {
    const found = findUnused(
      [
        row("Bash", { last_used_at: null, usage_count: 0 }),
        row("mcp__github__search", { usage_count: 3, last_used_at: "2026-09-01 00:00:00" as Timestamp }),
        row("mcp__github__read", { usage_count: 4 }),
      ],
      projectA.hash,
      windowStart,
    )
    assert.deepStrictEqual(
      found.map(({ name }) => name),
      ["github", "Bash"],
    )
    assert.deepStrictEqual(found[0], {
      name: "github",
      type: "mcp_server",
      scope: "project",
      server: "github",
      tools: ["mcp__github__read", "mcp__github__search"],
      usage_count: 7,
      last_used: longAgo,
    })
  })

  it("never calls a server unused if one of its tools was called, only its other tools", () => {
    assert.deepStrictEqual(
      names([
        row("mcp__github__search"),
        row("mcp__github__read", { last_used_at: lately }),
        row("github", { tool_type: "mcp_server", scope: "global", usage_count: 0, last_used_at: null }),
      ]),
      ["mcp__github__search"],
    )
  })

  it("knows a plugin's server by its tools' names and by what the agent calls it", () => {
    const ofPlugin = { scope: "plugin", server_name: "b" } as const
    assert.deepStrictEqual(names([row("mcp__plugin_a_b__c", ofPlugin), row("mcp__plugin_a_b__d")]), ["b"])
    assert.deepStrictEqual(
      names([
        row("mcp__plugin_a_b__c", { ...ofPlugin, last_used_at: lately }),
        row("mcp__plugin_a_b__d"),
        row("b", { tool_type: "mcp_server", scope: "plugin", usage_count: 0, last_used_at: null }),
      ]),
      ["mcp__plugin_a_b__d"],
    )
    assert.deepStrictEqual(
      names([row("mcp__plugin_a_b__c", { last_used_at: lately }), row("mcp__plugin_a_b__d", ofPlugin)]),
      ["mcp__plugin_a_b__d"],
    )
  })

  it("orders servers, their single tools, plugins', skills, the rest; never used first, then by age and name", () => {
    assert.deepStrictEqual(
      names([
        row("Write", { last_used_at: null }),
        row("Bash"),
        row("Agent"),
        row("/deploy", { tool_type: "slash_command" }),
        row("pdf", { tool_type: "skill" }),
        row("helper", { tool_type: "plugin", scope: "plugin" }),
        row("mcp__plugin_p_s__x"),
        row("mcp__b__used", { last_used_at: lately }),
        row("mcp__b__not"),
        row("mcp__z__y", { last_used_at: "2026-01-01 00:00:00" as Timestamp }),
        row("mcp__c__y"),
        row("never", { tool_type: "mcp_server", scope: "global", usage_count: 0, last_used_at: null }),
      ]),
      ["never", "z", "c", "mcp__b__not", "plugin_p_s", "helper", "/deploy", "pdf", "Write", "Agent", "Bash"],
    )
  })

  it("looks at the tools in scope, and at their uses there; a use of no known project may have been there", () => {
    const inB = { project_hash: projectB.hash, last_used_at: lately }
    const rows = [
      row("Bash"),
      row("Bash", inB),
      row("mcp__b__x", { ...inB, last_used_at: longAgo }),
      row("mcp__plugin_p_s__x", inB),
      row("Read"),
      row("Read", { project_hash: null, last_used_at: lately }),
    ]
    assert.deepStrictEqual(names(rows), ["plugin_p_s", "Bash"])
    assert.deepStrictEqual(names(rows, AllProjects), ["b"])
    const [plugin] = findUnused(rows, projectA.hash, windowStart)
    assert.deepInclude(plugin, { usage_count: 0, last_used: null })
  })

  it("never names a tool that was called, nor its server, whatever else is known", () =>
    fc.assert(
      fc.property(
        fc.array(
          fc
            .record({
              name: fc.constantFrom("Bash", "pdf", "mcp__a__x", "mcp__a__y", "mcp__plugin_p_a__x", "mcp__broken", "a"),
              project_hash: fc.constantFrom(projectA.hash, projectB.hash, null),
              last_used_at: fc.constantFrom(lately, longAgo, null),
              server_name: fc.constantFrom("a", "b", null),
              scope: fc.constantFrom("global", "project", "plugin"),
              tool_type: fc.constantFrom("mcp_server", "mcp_tool", "skill", "builtin"),
            })
            .map(({ name, ...fields }) => row(name, fields as Partial<ToolRegistryRow>)),
        ),
        fc.constantFrom<ProjectSelection>(projectA.hash, AllProjects),
        (rows, project) => {
          const isHere = (row: ToolRegistryRow) => project === AllProjects || row.project_hash !== projectB.hash
          const called = new Set(
            rows.filter((row) => isHere(row) && row.last_used_at === lately).map((row) => row.name),
          )
          for (const unused of findUnused(rows, project, windowStart)) {
            for (const tool of unused.tools) assert.isFalse(called.has(tool), `${tool} of ${unused.name}`)
          }
        },
      ),
    ))
})
