import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createLogger } from "../../src/telemetry/log.js";
import { LogFile, logName, streamOf } from "../../src/telemetry/log-streams.js";

const dirs: string[] = [];
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "mm-logs-"));
  dirs.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
});
const messages = (path: string): string[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { message: string }).message);

test("files are named as the manual says, safe for any coin", () => {
  const at = new Date(2025, 0, 2, 3, 4, 5).getTime();
  expect(logName("testnet", "BTC", at)).toBe("mm_testnet_BTC_2025-01-02_03-04-05");
  expect(logName("hyna", "hyna:BTC, ETH", at)).toBe("mm_hyna_hyna-BTC+ETH_2025-01-02_03-04-05");
  expect(logName("mainnet", "../x/PURR", at)).not.toContain("/");
});

test.each([
  ["feed.disconnected", "market"],
  ["Data staleness exceeded", "market"],
  ["Calculated ladder", "orders"],
  ["Not quoting", "orders"],
  ["Orders refused", "orders"],
  ["Fill processed", "fills"],
  ["Reduce-only mode", "risk"],
  ["KILL SWITCH TRIGGERED", "risk"],
  ["Open interest is near its cap: quotes shrink", "risk"],
  ["Market maker started", undefined],
])("%s belongs to %s", (event, stream) => {
  expect(streamOf(event)).toBe(stream);
});

describe("multi-stream logs", () => {
  test("one file has everything, each stream has its own, below the level nothing is written", async () => {
    const dir = folder();
    const { log, close } = createLogger({
      level: "info",
      format: "json",
      file: undefined,
      multiStream: { dir: join(dir, "logs"), name: "mm_testnet_BTC_x" },
      write: () => {},
      isColored: false,
    });
    log("info", "Market maker started", { privateKey: "deadbeef" });
    log("info", "Fill processed", { px: 1 });
    log("debug", "Calculated ladder");
    log("warn", "Reduce-only mode", { privateKey: "deadbeef" });
    await close();
    const at = (name: string): string => join(dir, "logs", `mm_testnet_BTC_x${name}.log`);
    expect(readdirSync(join(dir, "logs"))).toHaveLength(5);
    expect(messages(at(""))).toEqual(["Market maker started", "Fill processed", "Reduce-only mode"]);
    expect(messages(at(".fills"))).toEqual(["Fill processed"]);
    expect(messages(at(".risk"))).toEqual(["Reduce-only mode"]);
    expect(messages(at(".orders"))).toEqual([]);
    for (const name of ["", ".risk"]) expect(readFileSync(at(name), "utf8")).not.toContain("deadbeef");
  });
});

describe("a log file", () => {
  test("follows its name when it is rotated away, without losing a line", async () => {
    const dir = folder();
    const path = join(dir, "mm.log");
    const file = new LogFile(path, () => {});
    file.write("one\n");
    file.follow();
    renameSync(path, `${path}.1`);
    file.write("two\n");
    file.follow();
    file.write("three\n");
    rmSync(path);
    file.follow();
    file.write("four\n");
    await new Promise<void>((resolve) => file.end(resolve));
    expect(readFileSync(`${path}.1`, "utf8")).toBe("one\ntwo\n");
    expect(readFileSync(path, "utf8")).toBe("four\n");
  });

  test("two processes append to one file", async () => {
    const path = join(folder(), "mm.log");
    const files = [new LogFile(path, () => {}), new LogFile(path, () => {})];
    for (let i = 0; i < 100; i++) files[i % 2]!.write(`${i}\n`);
    for (const file of files) await new Promise<void>((resolve) => file.end(resolve));
    expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(100);
  });

  test("its folder gone: told once, and written again when it is back", async () => {
    const dir = folder();
    const inner = join(dir, "inner");
    const told: string[] = [];
    const file = new LogFile(join(inner, "mm.log"), (text) => told.push(text));
    rmSync(inner, { recursive: true });
    file.follow();
    file.follow();
    file.write("lost\n");
    expect(told).toHaveLength(1);
    expect(existsSync(inner)).toBe(false);
    await new Promise<void>((resolve) => file.end(resolve));
  });
});
