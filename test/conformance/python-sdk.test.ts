/** The official Python SDK, unchanged, on the simulator: runs where it is installed (python3, or the interpreter in MM_PYTHON). */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Venue } from "./venue.js";

const python = process.env["MM_PYTHON"] ?? "python3";
const script = join(import.meta.dirname, "python_sdk.py");
const isInstalled =
  spawnSync(python, ["-c", "import hyperliquid.exchange"], { stdio: "ignore", timeout: 20_000 }).status === 0;
const LIMIT_MS = 60_000;

describe("the official Python SDK", () => {
  if (!isInstalled) {
    test.skip("skipped: hyperliquid-python-sdk is not installed", () => {});
    return;
  }
  let venue: Venue;
  beforeAll(async () => {
    venue = await Venue.open();
  });
  afterAll(async () => {
    await venue?.close();
  });

  test("does everything that its examples do", { timeout: LIMIT_MS + 5000 }, async () => {
    const child = spawn(python, [script, `http://localhost:${venue.server.port}`], { timeout: LIMIT_MS });
    let out = "";
    child.stdout.on("data", (chunk) => {
      out += String(chunk);
    });
    child.stderr.on("data", (chunk) => {
      out += String(chunk);
    });
    const code = await new Promise((resolve) => {
      child.once("close", resolve);
    });
    expect(out).not.toMatch(/FAIL|Traceback|unexpected subscription/);
    expect(out).toMatch(/^(\d+) of \1 ok$/m);
    expect(code, out).toBe(0);
  });
});
