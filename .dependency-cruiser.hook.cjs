// What the hook loads at once: its start-up is paid after every tool call. What it imports on demand, and types, are left out.
const { options } = require("./.dependency-cruiser.cjs")

module.exports = {
  forbidden: [
    {
      name: "hook-loads-little",
      comment: "No schemas, queries, command line or HTTP; what only some calls need is imported on demand.",
      severity: "error",
      from: { path: "^src/programs/hook\\.ts$" },
      to: {
        path: [
          "(^|/)node_modules/@effect/(cli|platform-node)/",
          "(^|/)node_modules/effect/dist/[a-z]+/Schema\\.",
          "(^|/)node_modules/@effect/sql/dist/[a-z]+/SqlSchema\\.",
          "^node:http",
          "^src/programs/(cli|serve|history|transfer|upkeep)/",
        ],
        reachable: true,
      },
    },
  ],
  options: { ...options, tsPreCompilationDeps: false, exclude: { dynamic: true } },
}
