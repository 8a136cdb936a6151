import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")
export const hookProgram = join(root, "dist", "tooltrail-hook.cjs")
export const cliProgram = join(root, "dist", "tooltrail.cjs")

/** The payloads that Claude Code sent, one a line. */
export const realPayloads: ReadonlyArray<string> = readFileSync(
  join(root, "samples", "claude-code-hooks.jsonl"),
  "utf8",
)
  .split("\n")
  .filter((line) => line !== "")

/** What the hook is given for a call of this id, of no project. */
export const hookPayload = (id: string): string =>
  JSON.stringify({
    hook_event_name: "PostToolUse",
    session_id: "s",
    tool_name: "Bash",
    tool_use_id: id,
    cwd: "/nowhere",
  })

/** What every program under test gets: Claude Code runs it, and nobody's real transcripts are read. */
const baseEnvironment = {
  PATH: process.env.PATH ?? "",
  HOME: join(tmpdir(), "nobody"),
  CLAUDECODE: "1",
}

/** A folder of its own for one test, which goes with the test run. */
export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), "test-"))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** How a process ends, and what it writes until then. */
export const ending = (child: ChildProcessWithoutNullStreams): Promise<Ended> =>
  new Promise((resolve, reject) => {
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
    // A program that does not read its input to the end is no fault of the test.
    child.stdin.on("error", () => {})
  })

export type Finished = Omit<Ended, "signal">

export interface RunOptions {
  readonly args?: ReadonlyArray<string>
  /** Bytes for standard input, which is closed after them unless `leaveOpen`. */
  readonly input?: string | Buffer
  readonly leaveOpen?: boolean
  readonly cwd?: string
  /** The user to run as. */
  readonly uid?: number
  /** The whole environment. */
  readonly env?: Record<string, string>
}

/** Runs one of the built programs to its end. */
export const runProgram = async (program: string, options: RunOptions = {}): Promise<Finished> => {
  const child = spawn(process.execPath, [program, ...(options.args ?? [])], {
    cwd: options.cwd ?? root,
    env: { ...baseEnvironment, ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  })
  const ended = ending(child)
  if (options.leaveOpen) child.stdin.write(options.input ?? "")
  else child.stdin.end(options.input ?? "")
  return ended
}

/** Runs the built hook on one payload. */
export const runHook = (home: string, input: string | Buffer, options: RunOptions = {}): Promise<Finished> =>
  runProgram(hookProgram, { ...options, input, env: { TOOLTRAIL_HOME: home, ...options.env } })

/** Runs the built command line, for a person whose own folder is empty unless the environment says otherwise. */
export const runCli = (home: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Finished> =>
  runProgram(cliProgram, {
    ...options,
    args,
    env: { HOME: join(tmpdir(), "nobody"), TOOLTRAIL_HOME: home, ...options.env },
  })

export const lines = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

export interface ServerProcess {
  readonly pid: number
  readonly port: number
  readonly token: string
  readonly stderr: () => string
  /** Sends the signal, and waits for the end. */
  readonly end: (signal: NodeJS.Signals) => Promise<{ readonly code: number | null; readonly stdout: string }>
}

/** Starts `tooltrail serve` on a port of the system's choice, and waits until it listens. */
export const startServer = (home: string, env: Record<string, string> = {}): Promise<ServerProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cliProgram, "serve", "--port", "0"], {
      env: { ...baseEnvironment, TOOLTRAIL_HOME: home, ...env },
    })
    let stdout = ""
    let stderr = ""
    const ended = new Promise<{ code: number | null; stdout: string }>((end) =>
      child.on("close", (code) => {
        end({ code, stdout })
        reject(new Error(`the server ended with ${code}: ${stderr}`))
      }),
    )
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
      const port = /listening on http:\/\/127\.0\.0\.1:(\d+)\/hook.*\n/.exec(stderr)?.[1]
      if (port === undefined) return
      resolve({
        pid: child.pid ?? 0,
        port: Number(port),
        token: readFileSync(join(home, "serve.token"), "utf8").trim(),
        stderr: () => stderr,
        end: (signal) => {
          child.kill(signal)
          return ended
        },
      })
    })
    child.on("error", reject)
  })
