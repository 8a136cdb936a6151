// Makes transcripts of Claude Code: the same entries as in real ones, the same mix, results of varied size. Seeded.
import { createHash } from "node:crypto"
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"

const CALLS_PER_SESSION = 250

/**
 * `real`: 19 kB a call and five lines, results up to 500 kB, as counted in 481 MB of real sessions. `small`: 1.7 kB a call, nearly
 * every line a call or its result. `output` is the typical length of a result; `spread` tells how far others are from it.
 */
const shapes = {
  real: { output: 1500, spread: 3.4, longest: 240_000, input: 6, others: 3 },
  small: { output: 70, spread: 1.2, longest: 200_000, input: 1, others: 0 },
}
const ID_CHARACTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

/** A generator of numbers in [0, 1) (mulberry32). */
const seeded = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const samples =
  `the file has no match for that pattern in src/components/player.tsx and returns "undefined" where a number was meant
\tconst value = compute(input, { retries: 3, "label": 'x' })
import { readFile } from "node:fs/promises"
   42→export const handler = async (event) => {
{"name": "ai-music", "version": "1.0.0"}
error TS2345: Argument of type 'string' is not assignable to parameter of type 'number'.
On branch main, your branch is up to date with 'origin/main' — nothing to commit
drwxr-xr-x  12 chip staff    384 Jun  8 12:47 node_modules`.split("\n")

const write = (folder, calls, shape, seed) => {
  const random = seeded(seed)
  const below = (n) => Math.floor(random() * n)
  const hex = (n) => createHash("sha256").update(String(random())).digest("hex").slice(0, n)
  const uuid = () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`
  const id = (prefix) => prefix + Array.from({ length: 22 }, () => ID_CHARACTERS[below(ID_CHARACTERS.length)]).join("")
  /** Text of about so many characters, most of it short, some long. */
  const text = (typical, spread = 1.2) => {
    const length = Math.min(shape.longest, typical * Math.exp(spread * (random() + random() + random() - 1.5)))
    let made = samples[below(samples.length)]
    while (made.length < length) made += `\n${samples[below(samples.length)]}`
    return made
  }
  const inputs = {
    Bash: () => ({ command: `cd src && ${text(40).slice(0, 120)}`, description: "Check the state of the build" }),
    Read: () => ({ file_path: `/Users/chip/dev/project/src/components/${hex(8)}.tsx` }),
    Edit: () => ({
      file_path: `/Users/chip/dev/project/src/${hex(8)}.ts`,
      old_string: text(60 * shape.input),
      new_string: text(70 * shape.input),
    }),
    Grep: () => ({ pattern: "handler\\(", path: "/Users/chip/dev/project/src", output_mode: "content" }),
    Glob: () => ({ pattern: "**/*.test.ts" }),
    Write: () => ({ file_path: `/Users/chip/dev/project/src/${hex(8)}.ts`, content: text(150 * shape.input) }),
    TodoWrite: () => ({ todos: [{ id: "1", content: "Find the cause", status: "in_progress", priority: "high" }] }),
    Skill: () => ({ skill: "pdf" }),
    Agent: () => ({ subagent_type: "Explore", description: "Look around", prompt: text(100) }),
    mcp__github__search_code: () => ({ query: "handler", per_page: 10 }),
  }
  /** What the agent keeps of a result beside what the model was given: most of it once more. */
  const toolUseResult = (name, output) => {
    if (shape === shapes.small) return { stdout: output.slice(0, 60), stderr: "", interrupted: false }
    const filePath = `/Users/chip/dev/project/src/${hex(8)}.ts`
    if (name === "Read") return { type: "text", file: { filePath, content: output, numLines: 40, startLine: 1 } }
    if (name === "Edit") {
      const lines = output.split("\n")
      const structuredPatch = [{ oldStart: 1, oldLines: 6, newStart: 1, newLines: 7, lines: lines.slice(0, 14) }]
      return { filePath, oldString: lines[0], newString: lines[1], originalFile: output, structuredPatch }
    }
    return { stdout: output, stderr: "", interrupted: false, isImage: false }
  }
  const frequent = ["Bash", "Bash", "Bash", "Bash", "Read", "Read", "Read", "Edit", "Edit", "Grep", "Glob", "Write"]
  const names = [...frequent, ...frequent, ...Object.keys(inputs)]

  for (let made = 0; made < calls; ) {
    const sessionId = uuid()
    const project = below(20)
    const cwd = `/Users/chip/dev/project-${project}`
    const projectFolder = join(folder, `-Users-chip-dev-project-${project}`)
    mkdirSync(projectFolder, { recursive: true })
    let time = Date.UTC(2026, 0, 1) + below(90 * 86_400_000)
    let parentUuid = null
    const lines = []
    const entry = (fields, tail = {}) => {
      time += 20 + below(4000)
      const own = uuid()
      lines.push(
        JSON.stringify({
          parentUuid,
          isSidechain: false,
          userType: "external",
          cwd,
          sessionId,
          version: "2.1.270",
          gitBranch: "main",
          ...fields,
          uuid: own,
          timestamp: new Date(time).toISOString(),
          ...tail,
        }),
      )
      parentUuid = own
    }
    const assistant = (block) =>
      entry({
        message: {
          id: id("msg_01"),
          type: "message",
          role: "assistant",
          model: "claude-opus-4-5-20251101",
          content: [block],
          stop_reason: null,
          stop_sequence: null,
          usage: {
            input_tokens: 4,
            cache_creation_input_tokens: below(3000),
            cache_read_input_tokens: below(100_000),
            output_tokens: below(400),
            service_tier: "standard",
          },
        },
        requestId: id("req_011C"),
        type: "assistant",
      })
    entry({ type: "user", message: { role: "user", content: text(120) } })
    for (let n = 0; n < CALLS_PER_SESSION && made < calls; n++, made++) {
      if (below(6) === 0) assistant({ type: "text", text: text(150) })
      const name = names[below(names.length)]
      const toolUseId = id("toolu_01")
      assistant({ type: "tool_use", id: toolUseId, name, input: inputs[name]() })
      const failed = below(20) === 0
      const output = text(shape.output, shape.spread)
      entry(
        {
          type: "user",
          message: {
            role: "user",
            content: [{ tool_use_id: toolUseId, type: "tool_result", content: output, is_error: failed }],
          },
        },
        failed ? { toolUseResult: `Error: ${output.slice(0, 80)}` } : { toolUseResult: toolUseResult(name, output) },
      )
      for (let other = 0; other < shape.others; other++) {
        if (other === 0) assistant({ type: "thinking", thinking: text(500), signature: hex(64).repeat(10) })
        else if (other === 1) assistant({ type: "text", text: text(400) })
        else entry({ type: "progress", data: { type: "bash_progress", output: text(900), totalLines: 12 } })
      }
    }
    const file = openSync(join(projectFolder, `${sessionId}.jsonl`), "w")
    writeSync(file, `${lines.join("\n")}\n`)
    closeSync(file)
  }
}

/** The folder of transcripts with so many calls of a shape, made unless it is there from an earlier run. */
export const transcripts = (cache, calls, shape = "real") => {
  if (!Object.hasOwn(shapes, shape)) throw new Error(`there is no shape ${shape}; there are ${Object.keys(shapes)}`)
  const version = createHash("sha256")
    .update(readFileSync(import.meta.filename))
    .digest("hex")
    .slice(0, 8)
  const folder = join(cache, `transcripts-${shape}-${calls}-${version}`)
  if (existsSync(folder)) return folder
  rmSync(`${folder}.part`, { recursive: true, force: true })
  mkdirSync(`${folder}.part`, { recursive: true })
  write(`${folder}.part`, calls, shapes[shape], 1)
  writeFileSync(join(`${folder}.part`, "README"), "Made by bench/import.mjs; may be deleted.\n")
  renameSync(`${folder}.part`, folder)
  return folder
}
