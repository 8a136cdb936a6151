import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/temporaryRoot.ts",
    testTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "node_modules/.cache/test-report.json" }]],
    // What the person who runs the tests has set must not reach the code under test.
    env: { CLAUDE_CONFIG_DIR: "/nonexistent/claude", CLAUDE_PROJECT_DIR: "", TOOLTRAIL_HOME: "", NO_COLOR: "" },
  },
})
