import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { loadRun, saveRun } from "../../src/backtest/report/index.js";
import { backtestCommand } from "../../src/cli/backtest.js";
import { reportCommand } from "../../src/cli/report.js";
import { runOf } from "../backtest/made-run.js";
import { writeTape } from "../backtest/tapes.js";

let dir: string;
let printed = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-report-cli-"));
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

describe("market-maker report", () => {
  test("compares saved runs in one file, under the names that were given", async () => {
    const [a, b, out] = ["a.json", "b.json.gz", "cmp.html"].map((f) => join(dir, f)) as [
      string,
      string,
      string,
    ];
    saveRun(a, runOf({ name: "a name of its own" }));
    saveRun(b, runOf({ name: "second" }));
    await reportCommand().parseAsync([a, b, "--out", out, "--name", "renamed"], { from: "user" });
    const page = readFileSync(out, "utf8");
    expect(page).toContain("2 runs compared");
    expect(page).toContain("renamed");
    expect(page).toContain("second");
    expect(page).not.toContain("a name of its own");
    expect(printed).toBe(`${out}: renamed, second\n`);
  });

  test("a file that is no run is one clear error, and no report is left", async () => {
    const out = join(dir, "cmp.html");
    await expect(
      reportCommand().parseAsync([join(dir, "none.json"), "--out", out], { from: "user" }),
    ).rejects.toThrow(/none\.json cannot be read/);
    expect(() => readFileSync(out)).toThrow(/ENOENT/);
  });
});

describe("market-maker backtest", () => {
  test.each([
    ["--fitted", "f.json", "--queue", "log"],
    ["--fitted", "f.json", "--order-latency", "90"],
    ["--fitted", "f.json", "--zero-latency"],
    ["--zero-latency", "--ack-latency", "90"],
  ])("%s is not told one thing by two options", async (...words) => {
    const command = backtestCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    await expect(command.parseAsync(["--tape", "t.mmt", ...words], { from: "user" })).rejects.toThrow(
      /cannot be used with option/,
    );
  });

  test.each(["--report", "--save", "--summary"])(
    "%s into a folder that is not there is told before the run",
    async (flag) => {
      const tape = join(dir, "t.mmt");
      writeTape(tape, { seconds: 5, seed: 3 });
      const command = backtestCommand()
        .exitOverride()
        .configureOutput({ writeErr: () => {} });
      const file = join(dir, "none", "r.json");
      await expect(command.parseAsync(["--tape", tape, flag, file], { from: "user" })).rejects.toThrow(
        /none is no folder that can be written to/,
      );
      expect(printed).toBe("");
    },
  );

  test("--report, --save and --leak-tests: the report shows the tests, the saved run loads", async () => {
    const tape = join(dir, "t.mmt");
    writeTape(tape, { seconds: 30, seed: 3 });
    const [report, save] = [join(dir, "r.html"), join(dir, "r.json.gz")];
    await backtestCommand().parseAsync(
      ["--tape", tape, "--report", report, "--save", save, "--leak-tests", "--name", "thirty seconds"],
      { from: "user" },
    );
    expect(readFileSync(report, "utf8")).toContain("passed · truncated future");
    const run = loadRun(save);
    expect(run.name).toBe("thirty seconds");
    expect(run.badges.map((b) => b.id)).toContain("higher-fees");
    expect(run.config).toMatchObject({ strategy: { strategy_type: "ladder" } });
    expect(printed).toContain("same bytes twice: Run twice: the same journal");
  });
});
