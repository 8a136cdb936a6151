// Bundles the two programs into dist/. CommonJS, because better-sqlite3's JavaScript can be bundled into nothing else.
import { chmodSync } from "node:fs"
import { build } from "esbuild"

/** better-sqlite3 looks for its compiled part through `bindings`, which walks folders; here its place is known. */
const nativeBinding = {
  name: "native-binding",
  setup(builder) {
    builder.onResolve({ filter: /^bindings$/ }, () => ({ path: "bindings", namespace: "native-binding" }))
    builder.onLoad({ filter: /.*/, namespace: "native-binding" }, () => ({
      contents: `module.exports = () => require("better-sqlite3/build/Release/better_sqlite3.node")`,
      loader: "js",
    }))
  },
}

const bundles = { "tooltrail-hook": "src/programs/hook.ts", tooltrail: "src/programs/cli.ts" }

await build({
  entryPoints: bundles,
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  mainFields: ["module", "main"],
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
  external: ["*.node"],
  plugins: [nativeBinding],
})
for (const name of Object.keys(bundles)) chmodSync(`dist/${name}.cjs`, 0o755)
