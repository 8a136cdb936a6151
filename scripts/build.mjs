// Bundles the programs into dist/ and compiles the library into dist/lib/; with --programs, leaves the library as it is. The
// bundles are CommonJS, because better-sqlite3's JavaScript can be bundled into nothing else.
import { spawn, spawnSync } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { build } from "esbuild"

/** better-sqlite3 looks for its compiled part through `bindings`. */
const nativeBinding = {
  name: "native-binding",
  setup(builder) {
    builder.onResolve({ filter: /^bindings$/ }, () => ({ path: join(import.meta.dirname, "nativeBinding.cjs") }))
  },
}

/** Modules that the SQL client and the fiber runtime name but the hook never calls. To touch one is a defect. */
const leftOut = ["effect/Stream", "effect/Mailbox", "effect/FiberHandle", "effect/Micro"]

const leaveOut = {
  name: "leave-out",
  setup(builder) {
    const names = new Map(leftOut.map((name) => [`${name.replace("effect/", "/effect/dist/esm/")}.js`, name]))
    builder.onResolve({ filter: /\/(Stream|Mailbox|FiberHandle|Micro)(\.js)?$/ }, async (request) => {
      if (request.pluginData === "resolving") return undefined
      const { importer, resolveDir, kind } = request
      const { path } = await builder.resolve(request.path, { importer, resolveDir, kind, pluginData: "resolving" })
      const name = [...names].find(([end]) => path.endsWith(end))?.[1]
      return name === undefined ? undefined : { path: name, namespace: "left-out" }
    })
    builder.onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({
      loader: "js",
      contents: `
        const touch = (_, key) => {
          if (key === "__esModule") return true
          throw new Error(${JSON.stringify(`${path} is left out of the hook: `)} + String(key))
        }
        module.exports = Object.create(new Proxy({}, { get: touch }))`,
    }))
  },
}

/** Of `@effect/platform/Error` the SQL client takes only this; the rest of the module would bring all of Schema along. */
const leanPlatformError = {
  name: "lean-platform-error",
  setup(builder) {
    builder.onLoad({ filter: /@effect\/platform\/dist\/esm\/Error\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8")
      const typeIdError = /export const TypeIdError = [\s\S]*?\n};/.exec(source)?.[0]
      if (typeIdError === undefined) throw new Error(`${path} has changed: TypeIdError is not found`)
      return { loader: "js", contents: `import * as Data from "effect/Data"\n${typeIdError}` }
    })
  },
}

/** What is imported on demand becomes a bundle of its own. */
const onDemand = (found) => ({
  name: "on-demand",
  setup(builder) {
    builder.onResolve({ filter: /.*/ }, async ({ kind, path, importer, resolveDir, pluginData }) => {
      if (kind !== "dynamic-import" || pluginData === "resolving" || path.startsWith("node:")) return undefined
      const resolved = await builder.resolve(path, { kind, importer, resolveDir, pluginData: "resolving" })
      const name = basename(resolved.path, ".ts")
      found.set(name, resolved.path)
      return { path: `./on-demand/${name}.cjs`, external: true }
    })
  },
})

const common = {
  outExtension: { ".js": ".cjs" },
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  mainFields: ["module", "main"],
  legalComments: "none",
  logLevel: "warning",
  external: ["*.node"],
}

/** As a loader runs it: a text put together when it starts is one more copy of it. */
const asFunction = {
  banner: { js: "(function (require, module, exports, __dirname) {" },
  footer: { js: "})" },
  supported: { "dynamic-import": false },
}

const withLibrary = !process.argv.includes("--programs")
mkdirSync("dist", { recursive: true })
for (const name of readdirSync("dist")) {
  if (withLibrary || name !== "lib") rmSync(join("dist", name), { recursive: true })
}

const compiler = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]
const library = withLibrary ? once(spawn(process.execPath, compiler, { stdio: "inherit" }), "exit") : [0]

await build({
  ...common,
  ...asFunction,
  entryPoints: { "cli-bundle": "src/programs/cli.ts" },
  outdir: "dist",
  minifySyntax: true,
  minifyWhitespace: true,
  plugins: [nativeBinding],
})

const imported = new Map()
await build({
  ...common,
  ...asFunction,
  entryPoints: { "hook-bundle": "src/programs/hook.ts" },
  outdir: "dist",
  minify: true,
  // Both are getters that load a good part of Node; the hook writes nothing to stdout and measures nothing.
  define: { "process.stdout": "undefined", performance: "undefined" },
  plugins: [nativeBinding, leaveOut, leanPlatformError, onDemand(imported)],
})
await build({
  ...common,
  entryPoints: Object.fromEntries(imported),
  outdir: "dist/on-demand",
  minify: true,
  plugins: [nativeBinding],
})

/** The programs, each with what loads its bundle. */
const loaders = { tooltrail: ["loadCli", "cli-bundle"], "tooltrail-hook": ["loadHook", "hook-bundle"] }
for (const [program, [loader, bundle]] of Object.entries(loaders)) {
  const code = readFileSync(`dist/${bundle}.cjs`)
  if (code.some((byte) => byte > 0x7f)) throw new Error(`${bundle} is not ASCII, as which it is read`)
  const hash = createHash("sha256").update(code).digest("hex").slice(0, 16)
  await build({
    ...common,
    entryPoints: { [program]: `src/programs/start/${loader}.ts` },
    outdir: "dist",
    minify: true,
    define: { BUNDLE_HASH: JSON.stringify(hash) },
  })
  chmodSync(`dist/${program}.cjs`, 0o755)
}

// Starts the hook without a variable that makes Node 20 slow. Settings name it only for that, with all else in its arguments; an
// agent that ignores these starts nothing.
const launcher = "dist/tooltrail-hook.sh"
writeFileSync(launcher, '#!/bin/sh\nunset NODE_EXTRA_CA_CERTS\n[ $# -eq 0 ] || exec "$@"\n')
chmodSync(launcher, 0o755)

// The programs are compiled on their first run. They are run here, the hook on a call as they come, so that nobody waits for
// that; the hook once before, so that the code that makes a new store is not part of it.
const home = mkdtempSync(join(tmpdir(), "tooltrail-build-"))
const run = (program, ...args) => {
  const input = JSON.stringify({
    hook_event_name: "PostToolUse",
    session_id: "build",
    cwd: process.cwd(),
    tool_name: "Bash",
    tool_use_id: randomUUID(),
    duration_ms: 1,
  })
  const env = { PATH: process.env.PATH, TOOLTRAIL_HOME: home }
  const { status, stderr } = spawnSync(process.execPath, [`dist/${program}.cjs`, ...args], {
    env,
    input,
    encoding: "utf8",
  })
  if (status !== 0 || stderr !== "") throw new Error(`the built ${program} does not work: ${stderr}`)
}
run("tooltrail-hook")
rmSync("dist/code-cache", { recursive: true, force: true })
run("tooltrail-hook")
run("tooltrail", "top")
rmSync(home, { recursive: true, force: true })

const [status] = await library
if (status !== 0) process.exitCode = 1
