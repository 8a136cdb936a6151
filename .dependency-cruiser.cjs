// The direction of imports between the rooms: programs → layers → services → domain.
const room = (name) => `^src/${name}/`

/** A room imports itself and the rooms named. */
const onlyImports = (name, allowed) => ({
  name: `${name}-imports-only-${[name, ...allowed].join("-")}`,
  severity: "error",
  from: { path: room(name) },
  to: { path: "^src/", pathNot: [name, ...allowed].map(room) },
})

module.exports = {
  forbidden: [
    onlyImports("domain", []),
    onlyImports("services", ["domain"]),
    onlyImports("layers", ["services", "domain"]),
    onlyImports("programs", ["layers", "services", "domain"]),
    {
      name: "nothing-imports-programs",
      severity: "error",
      from: { path: "^src/", pathNot: [room("programs"), "^src/index\\.ts$"] },
      to: { path: room("programs") },
    },
    {
      name: "src-imports-src-only",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|scripts)/" },
    },
    {
      name: "domain-and-services-are-pure",
      comment: "No I/O, no SQL, no platform.",
      severity: "error",
      from: { path: ["^src/domain/", "^src/services/"] },
      to: {
        path: ["(^|/)node_modules/(@effect|better-sqlite3|cli-table3|picocolors)/", "^node:"],
        pathNot: "^src/",
      },
    },
    {
      name: "domain-and-services-use-no-node-module",
      severity: "error",
      from: { path: ["^src/domain/", "^src/services/"] },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "no-barrels",
      comment: "A barrel evaluates every module of its package; import the module by its path.",
      severity: "error",
      from: { path: "^(src|test|bench)/" },
      to: {
        path: "(^|/)node_modules/(effect|@effect/[^/]+)/dist/(esm|cjs|dts)/index\\.",
        // It has no modules to import by path.
        pathNot: "(^|/)node_modules/@effect/vitest/",
      },
    },
    {
      name: "hook-never-loads-the-cli",
      severity: "error",
      from: { path: "^src/programs/hook\\.ts$" },
      to: { path: ["(^|/)node_modules/@effect/cli/", "^src/programs/(cli|serve)/"], reachable: true },
    },
    { name: "no-circular", severity: "error", from: { path: "^src/" }, to: { circular: true } },
    {
      name: "resolvable",
      severity: "error",
      from: { path: "^src/" },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
}
