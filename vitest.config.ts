import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

/** As few as at most: otherwise one may be ended that has just been given a file, https://github.com/vitest-dev/vitest/issues/8564. */
const forks = availableParallelism() + 1

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/temporaryRoot.ts",
    // Many times what the slowest takes, so that a busy machine fails none.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Most of a test's time is another process's, some of which wait.
    pool: "forks",
    // No module keeps anything that a test can change, and to load them anew for each file takes a tenth of the time.
    poolOptions: { forks: { minForks: forks, maxForks: forks, isolate: false } },
    reporters: ["default", ["json", { outputFile: "node_modules/.cache/test-report.json" }]],
    // What the person who runs the tests has set must not reach the code under test.
    env: { CLAUDE_CONFIG_DIR: "/nonexistent/claude", CLAUDE_PROJECT_DIR: "", TOOLTRAIL_HOME: "", NO_COLOR: "" },
  },
})
