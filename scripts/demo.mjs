// Feeds captured hook payloads to the built hook, as an agent does, and then asks what was recorded.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const home = mkdtempSync(join(tmpdir(), "tooltrail-demo-"))
const environment = {
  ...process.env,
  TOOLTRAIL_HOME: home,
  CLAUDE_PROJECT_DIR: "",
  CLAUDE_CONFIG_DIR: join(home, "claude"),
}

/** Runs one of the built programs. If that fails, so does the demo. */
const run = (program, args, input) => {
  const options = { env: environment, input, stdio: [input === undefined ? "inherit" : "pipe", "inherit", "inherit"] }
  const { status } = spawnSync(process.execPath, [join(root, "dist", program), ...args], options)
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`)
}

const payloads = readFileSync(join(root, "samples", "claude-code-hooks.jsonl"), "utf8")
  .trim()
  .split("\n")
console.log(
  `\nFeeding ${payloads.length} hook payloads, captured from Claude Code, to the hook, each to a process of its own …`,
)
for (const payload of payloads) run("tooltrail-hook.cjs", [], `${payload}\n`)

console.log("\nRecording the history that two transcripts of sessions hold …\n\n$ tooltrail import\n")
run("tooltrail.cjs", ["import", join(root, "test", "fixtures", "claude-code-transcripts")])

for (const command of [
  "top --all-projects",
  "session",
  "tool Bash --all-projects",
  "log --all-projects",
  "trend --all-projects --since 2y",
]) {
  console.log(`\n$ tooltrail ${command}\n`)
  run("tooltrail.cjs", command.split(" "))
}
rmSync(home, { recursive: true })
