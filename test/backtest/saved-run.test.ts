import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadRun, SavedRunError, saveRun } from "../../src/backtest/report/index.js";
import { runOf } from "./made-run.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-saved-run-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("saved runs", () => {
  test.each(["run.json", "run.json.gz"])("%s loads equal to what was saved, NaN included", (name) => {
    const run = runOf();
    expect(run.series.fills.some((f) => f.markoutBps.some(Number.isNaN))).toBe(true);
    saveRun(join(dir, name), run);
    expect(loadRun(join(dir, name))).toEqual(run);
  });

  test(".gz is compressed", () => {
    saveRun(join(dir, "r.json.gz"), runOf());
    expect(JSON.parse(gunzipSync(readFileSync(join(dir, "r.json.gz"))).toString())).toMatchObject({
      format: "market-maker-run",
    });
  });

  test("secrets of the configuration are not in the file", () => {
    const path = join(dir, "r.json");
    const config = {
      network: { private_key: "0xdeadbeef", base_url: "mainnet", password_file: "/p" },
      list: [{ apiToken: "tok-1" }],
    };
    saveRun(path, { ...runOf(), config });
    const text = readFileSync(path, "utf8");
    expect(text).not.toMatch(/deadbeef|"\/p"|tok-1/);
    expect(loadRun(path).config).toEqual({ network: { base_url: "mainnet" }, list: [{}] });
  });

  test("a column that the file does not have is empty", () => {
    const path = join(dir, "r.json");
    saveRun(path, runOf());
    const file = JSON.parse(readFileSync(path, "utf8"));
    delete file.series.columns.floorBps;
    writeFileSync(path, JSON.stringify(file));
    const { floorBps, tMs } = loadRun(path).series;
    expect(floorBps).toHaveLength(tMs.length);
    expect(floorBps.every(Number.isNaN)).toBe(true);
  });

  const damage: [string, (text: string) => string | Uint8Array, RegExp][] = [
    ["cut short", (t) => t.slice(0, t.length / 2), /not a saved run, or cut short/],
    ["gzip cut short", (t) => gzipSync(t).subarray(0, 200), /not a saved run, or cut short/],
    ["something else", () => '{"a":1}', /is not a saved run: give a file/],
    ["an array", () => "[1]", /is not a saved run/],
    [
      "a later version",
      (t) => t.replace('"version":1', '"version":2'),
      /version 2, this build reads version 1/,
    ],
    ["uneven columns", (t) => t.replace(/"midPx":\[[^,]+,/, '"midPx":['), /column midPx has not \d+ rows/],
  ];
  test.each(damage)("%s is refused in one line", (_name, change, message) => {
    const path = join(dir, "r.json");
    saveRun(path, runOf());
    writeFileSync(path, change(readFileSync(path, "utf8")));
    expect(() => loadRun(path)).toThrow(SavedRunError);
    expect(() => loadRun(path)).toThrow(message);
    expect(() => loadRun(path)).toThrow(/^[^\n]+$/);
  });

  test("a missing file and an unwritable place are said", () => {
    expect(() => loadRun(join(dir, "none.json"))).toThrow(/none\.json cannot be read/);
    expect(() => saveRun(join(dir, "no", "r.json"), runOf())).toThrow(/cannot be written/);
  });
});
