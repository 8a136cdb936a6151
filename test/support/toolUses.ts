import * as fc from "fast-check"
import { projectFromRoot } from "../../src/domain/projectFromRoot.ts"
import * as Timestamp from "../../src/domain/Timestamp.ts"
import { extractServerName } from "../../src/domain/ToolName.ts"
import type { ToolUse } from "../../src/domain/ToolUse.ts"

export const projectA = projectFromRoot("/projects/a")
export const projectB = projectFromRoot("/projects/b")

let made = 0

/** A call; of its own id unless that is given. */
export const toolUse = (fields: Partial<ToolUse> = {}): ToolUse => ({
  toolName: "Bash",
  agent: "claude-code",
  sessionId: "session-1",
  projectHash: projectA.hash,
  projectRoot: projectA.root,
  success: true,
  usedAt: Timestamp.fromEpochMillis(0),
  toolUseId: `toolu_of_its_own_${made++}`,
  durationMs: null,
  durationIsEstimated: false,
  subagent: null,
  target: null,
  serverName: null,
  failureKind: null,
  source: "hook",
  inputBytes: null,
  outputBytes: null,
  ...fields,
})

const DAY = 86_400_000

/** Calls of few tools, sessions, projects and ids, so that they meet; within `days` before `now` (epoch milliseconds). */
export const toolUses = (now: number, days: number): fc.Arbitrary<ReadonlyArray<ToolUse>> =>
  fc.array(
    fc
      .record({
        toolName: fc.constantFrom("Bash", "Read", "Skill", "mcp__github__search", "mcp__plugin_x_y__z", "it's; DROP"),
        sessionId: fc.constantFrom("s1", "s2", null),
        project: fc.constantFrom(projectA, projectB, null),
        outcome: fc.constantFrom("success", "error", "interrupted", "cancelled"),
        age: fc.nat(Math.round(days * DAY)),
        repeatedId: fc.option(fc.nat(30).map((n) => `toolu_${n}`)),
        target: fc.constantFrom("pdf", "review", null),
        subagent: fc.constantFrom("Explore", "planner", null),
        durationMs: fc.option(fc.nat(20).map((n) => n * n)),
        inputBytes: fc.option(fc.nat(500)),
        outputBytes: fc.option(fc.nat(5000)),
      })
      .map(({ project, outcome, age, repeatedId, ...fields }) =>
        toolUse({
          ...fields,
          ...(repeatedId === null ? {} : { toolUseId: repeatedId }),
          projectHash: project?.hash ?? null,
          projectRoot: project?.root ?? null,
          success: outcome === "success",
          failureKind: outcome === "success" ? null : (outcome as "error" | "interrupted" | "cancelled"),
          usedAt: Timestamp.fromEpochMillis(now - age),
          serverName: extractServerName(fields.toolName),
        }),
      ),
    { maxLength: 60 },
  )
