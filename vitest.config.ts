import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two cores are the smallest machine we support: more forks than that only make timings worse.
    maxWorkers: 2,
    pool: "forks",
  },
});
