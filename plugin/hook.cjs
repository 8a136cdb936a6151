// The plugin's hook. Claude Code installs the plugin by copying, so it contains no tooltrail: it finds the one that is installed on
// this machine and runs its hook in this process. If there is none, it says so once in tooltrail's log.
const { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync } = require("node:fs")
const { delimiter, dirname, isAbsolute, join } = require("node:path")

const HOOK = "tooltrail-hook.cjs"
const NOTICE =
  "the Claude Code plugin found no installed tooltrail and records nothing; run `npm install -g tooltrail`, then `tooltrail install`"
const PATIENCE_MILLIS = 2000

const env = process.env
const userHome = (process.platform === "win32" ? env.USERPROFILE : env.HOME) || require("node:os").homedir()

/** tooltrail's home, found as tooltrail itself finds it. */
const findHome = () => {
  if (env.TOOLTRAIL_HOME) return env.TOOLTRAIL_HOME
  if (process.platform === "win32") return join(env.LOCALAPPDATA || join(userHome, "AppData", "Local"), "tooltrail")
  if (process.platform === "darwin") return join(userHome, "Library", "Application Support", "tooltrail")
  const data = env.XDG_DATA_HOME
  return join(data && isAbsolute(data) ? data : join(userHome, ".local", "share"), "tooltrail")
}

const orNothing = (read) => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** What `tooltrail install` remembered. */
const remembered = (home) =>
  orNothing(() => JSON.parse(readFileSync(join(home, "tooltrail.installations.json"), "utf8")).hook)

/** The package folders that belong to a folder of programs: npm keeps them beside it, on Windows inside it. */
const packagesOf = (programs) => [
  join(dirname(programs), "lib", "node_modules"),
  ...(process.platform === "win32" ? [join(programs, "node_modules")] : []),
]

/** The prefix that a person set for global packages. */
const npmPrefix = () => {
  const line = orNothing(() => /^\s*prefix\s*=\s*(.+)$/m.exec(readFileSync(join(userHome, ".npmrc"), "utf8")))
  return line?.[1].trim().replace(/^(~|\$\{HOME\})(?=[/\\])/, userHome)
}

function* candidates(home) {
  yield remembered(home)
  const prefix = npmPrefix()
  const folders = [
    ...(env.PATH || "").split(delimiter),
    dirname(process.execPath),
    ...(prefix ? [join(prefix, "bin")] : []),
    ...(process.platform === "win32" ? [join(env.APPDATA || "", "npm")] : ["/usr/local/bin", "/opt/homebrew/bin"]),
  ]
  // A relative folder would lead into the project, which may be anybody's.
  for (const folder of folders.filter(isAbsolute)) {
    yield orNothing(() => realpathSync(join(folder, "tooltrail-hook")))
    for (const packages of packagesOf(folder)) yield join(packages, "tooltrail", "dist", HOOK)
  }
}

const findHook = (home) => {
  for (const path of candidates(home)) {
    if (typeof path === "string" && isAbsolute(path) && path.endsWith(HOOK) && existsSync(path)) return path
  }
  return undefined
}

const sayOnce = (home) => {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    closeSync(openSync(join(home, "plugin-notice"), "wx", 0o600))
    appendFileSync(join(home, "tooltrail.log"), `${new Date().toISOString()} WARN ${NOTICE}\n`, { mode: 0o600 })
  } catch {
    // It has been said before, or nothing can be written here.
  }
}

const home = findHome()
const hook = findHook(home)
if (hook === undefined) {
  sayOnce(home)
  // An agent may call it an error if nobody reads the payload.
  setTimeout(() => process.exit(0), PATIENCE_MILLIS)
  process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0))
  process.stdin.resume()
} else {
  require(hook)
}
