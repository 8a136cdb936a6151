import type { JsonObject } from "./payload.ts"

interface Agent {
  readonly name: string
  /** Whether a payload shows by itself that this agent wrote it. */
  readonly wrote: (payload: JsonObject) => boolean
  /** A variable that this agent alone gives its hooks. */
  readonly variable?: string
  /** A field that all its payloads have. Without it the variable was inherited from another agent's shell. */
  readonly always?: string
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "")

const hasTranscript = (payload: JsonObject, path: RegExp) => path.test(textOf(payload.transcript_path))

/** `projects/<project>/<session>.jsonl`, in no hidden folder but Claude Code's own. */
const CLAUDE_TRANSCRIPT = /(?:^|[\\/])(?:\.claude[^\\/]*|[^.\\/][^\\/]*)[\\/]projects[\\/][^\\/]+[\\/][^\\/]+\.jsonl$/

/**
 * The agents, by the payloads of their hooks. Several of them also run the hooks in Claude Code's settings, so the place of the
 * registration proves nothing. Claude Code comes last, because others that run Anthropic's models may have `toolu_` ids too.
 */
const agents: ReadonlyArray<Agent> = [
  {
    name: "cursor",
    wrote: (payload) =>
      payload.cursor_version !== undefined ||
      payload.workspace_roots !== undefined ||
      /^[a-z]/.test(textOf(payload.hook_event_name)),
    variable: "CURSOR_PROJECT_DIR",
  },
  {
    name: "codex",
    wrote: (payload) =>
      payload.turn_id !== undefined || hasTranscript(payload, /[\\/]\.codex[\\/]|[\\/]rollout-[^\\/]*\.jsonl$/),
  },
  {
    name: "gemini-cli",
    wrote: (payload) => hasTranscript(payload, /[\\/]\.gemini[\\/]/),
    variable: "GEMINI_SESSION_ID",
    always: "timestamp",
  },
  { name: "qwen-code", wrote: (payload) => hasTranscript(payload, /[\\/]\.qwen[\\/]/) },
  {
    name: "copilot-cli",
    wrote: (payload) =>
      payload.tool_result !== undefined ||
      (payload.hook_event_name === "PostToolUseFailure" &&
        payload.timestamp !== undefined &&
        payload.transcript_path === undefined),
  },
  {
    name: "droid",
    wrote: (payload) => hasTranscript(payload, /[\\/]\.factory[\\/]/),
    variable: "FACTORY_PROJECT_DIR",
  },
  {
    name: "devin",
    wrote: (payload) =>
      payload.transcript_path === undefined &&
      payload.cwd === undefined &&
      typeof (payload.tool_response as JsonObject | null | undefined)?.success === "boolean",
    variable: "DEVIN_PROJECT_DIR",
  },
  { name: "grok", wrote: () => false, variable: "GROK_SESSION_ID" },
  {
    name: "claude-code",
    wrote: (payload) => hasTranscript(payload, CLAUDE_TRANSCRIPT) || textOf(payload.tool_use_id).startsWith("toolu_"),
  },
]

/** Claude Code's variables. Other agents set them too, or inherit them. */
const CLAUDE_VARIABLES = ["CLAUDECODE", "CLAUDE_PROJECT_DIR"]

/** The environment variables that tell agents apart. */
export const hostVariables: ReadonlyArray<string> = [
  ...CLAUDE_VARIABLES,
  ...agents.flatMap(({ variable }) => variable ?? []),
]

/** The variables of the agent's environment, by name. A server knows none. */
export type HostEnvironment = Readonly<Record<string, string | undefined>>

export const UNKNOWN_AGENT = "unknown"

const agentOfEnvironment = (payload: JsonObject, environment: HostEnvironment): string => {
  const hosts = agents.filter(({ variable }) => variable !== undefined && environment[variable])
  if (hosts.length > 0) {
    const [host, ...others] = hosts.filter(({ always }) => always === undefined || payload[always] !== undefined)
    return host !== undefined && others.length === 0 ? host.name : UNKNOWN_AGENT
  }
  // A time means another agent that runs in Claude Code's shell: Claude Code's payloads have none.
  const isClaude = payload.timestamp === undefined && CLAUDE_VARIABLES.some((name) => environment[name])
  return isClaude ? "claude-code" : UNKNOWN_AGENT
}

/**
 * The agent that wrote a payload. What the payload shows comes before the environment, because an agent that is started from
 * another's shell inherits that one's. Without evidence the agent is "unknown": a wrong name would stay in the history for ever.
 */
export const agentOf = (payload: JsonObject, environment: HostEnvironment): string =>
  agents.find(({ wrote }) => wrote(payload))?.name ?? agentOfEnvironment(payload, environment)
